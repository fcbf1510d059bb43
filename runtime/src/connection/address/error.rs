use super::query::known_parameters;

/// Why a text is no address of a broker that can be reached. None of these shows a user or a
/// password: an address is shown by its scheme, host and port alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// An `embedded:` address that can't be used.
    #[error("'{address}' can't be used: {problem}")]
    Embedded {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: EmbeddedAddressProblem,
    },
    /// None of the known schemes.
    #[error(
        "'{address}' is not a broker's address; it starts with 'embedded:', 'amqp://' or \
         'amqps://'"
    )]
    UnknownScheme {
        /// The address.
        address: String,
    },
    /// A failover list with a broker in this process in it.
    #[error(
        "'{addresses}' has an embedded broker in a list, which nothing can fail over to: give \
         'embedded:' alone, or a list of amqp:// and amqps:// addresses"
    )]
    EmbeddedInList {
        /// The addresses.
        addresses: String,
    },
    /// An `amqp://` or `amqps://` address that can't be used.
    #[error("'{address}' can't be used: {problem}")]
    Amqp {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: AmqpAddressProblem,
    },
}

/// What is wrong with an `embedded:` address, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedAddressProblem {
    /// Two slashes before the folder, as before a host.
    #[error(
        "a broker in this process has no host; write 'embedded:./data' for a folder beside the \
         program, 'embedded:/var/lib/app' for one that is named in full"
    )]
    Slashes,
    /// A `~`, which only a shell knows.
    #[error("a '~' is the shell's; name the folder in full, or './~' if it is called so")]
    Tilde,
    /// An `@`, as after a user.
    #[error(
        "a broker in this process has no user and no password; an '@' in a folder's name is %40"
    )]
    User,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("it has a '%' without two hexadecimal digits after it; the character '%' is %25")]
    PercentEncoding,
    /// The folder is not UTF-8 once it is decoded.
    #[error("its folder is not UTF-8; percent-encode the bytes of UTF-8")]
    NotUtf8,
    /// A zero byte, which no file's name has.
    #[error("its folder has a zero byte (%00), which no name of a folder can have")]
    ZeroByte,
    /// A durability, and nothing to keep.
    #[error(
        "a durability needs a folder: write 'embedded:./data?durability=os', or 'embedded:' for a \
         broker in memory alone"
    )]
    DurabilityWithoutFolder,
    /// A durability that there is not.
    #[error(
        "the durability is 'disk' or 'os', not '{value}'; a broker in memory alone is 'embedded:'"
    )]
    UnknownDurability {
        /// What was given.
        value: String,
    },
    /// The durability twice.
    #[error("the parameter 'durability' is given twice; leave one of the two")]
    RepeatedDurability,
    /// A parameter that is not known.
    #[error(
        "there is no parameter '{name}'; there is 'durability'; a '?' in a folder's name is %3F"
    )]
    UnknownParameter {
        /// Its name.
        name: String,
    },
}

/// What is wrong with an `amqp://` or `amqps://` address, and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AmqpAddressProblem {
    /// A character that a URI can't have in this place.
    #[error(
        "it has a character that means something else there, or nothing; in a user, password or \
         virtual host everything but letters and digits is percent-encoded: '/' is %2F, '@' %40, \
         ':' %3A, '?' %3F, '#' %23, '[' %5B, a space %20; an IPv6 address stands in brackets"
    )]
    Character,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("it has a '%' without two hexadecimal digits after it; the character '%' is %25")]
    PercentEncoding,
    /// A part that is not UTF-8 once it is decoded.
    #[error("its {part} is not UTF-8; percent-encode the bytes of UTF-8")]
    NotUtf8 {
        /// `user`, `virtual host` and the like.
        part: &'static str,
    },
    /// A zero byte, which ends the user and the password in the login's message.
    #[error("its {part} has a zero byte (%00), which a login can't tell the broker")]
    ZeroByte {
        /// `user` or `password`.
        part: &'static str,
    },
    /// A host that is neither a name nor an IP address.
    #[error(
        "its host is neither a name of letters, digits, '-', '_' and '.' nor an IP address (one of \
         version 6 stands in brackets); each address of a list has its own amqp:// or amqps://"
    )]
    Host,
    /// A port that is none.
    #[error(
        "its port is not a number from 1 to 65535; a user and a password stand before an '@': \
         amqp://user:password@host:5672"
    )]
    Port,
    /// More than one segment after the host.
    #[error(
        "a virtual host is one word after the host; a '/' in it is %2F: 'amqp://host/%2F', and \
         'amqp://host' for short, is the virtual host '/'"
    )]
    VirtualHost,
    /// A virtual host's name that AMQP can't say.
    #[error("the name of its virtual host has {bytes} bytes, of which AMQP takes 255 at most")]
    VirtualHostTooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// A fragment (`#..`).
    #[error("a URI of AMQP has no part after a '#'; in a password or another part '#' is %23")]
    Fragment,
    /// A parameter that is not known.
    #[error("there is no parameter '{name}'; there are {}", known_parameters())]
    UnknownParameter {
        /// Its name.
        name: String,
    },
    /// The same parameter twice.
    #[error("the parameter '{name}' is given twice; leave one of the two")]
    RepeatedParameter {
        /// Its name.
        name: &'static str,
    },
    /// A parameter with another value than it can have.
    #[error("the parameter '{name}' is {expected}")]
    ParameterValue {
        /// Its name.
        name: &'static str,
        /// What it can be.
        expected: &'static str,
    },
    /// A parameter of TLS where there is none.
    #[error("the parameter '{name}' is about TLS, which only amqps:// addresses have")]
    TlsParameter {
        /// Its name.
        name: &'static str,
    },
    /// A key without its certificate.
    #[error("'keyfile' is the key of a client certificate: name its file with 'certfile', too")]
    KeyWithoutCertificate,
}
