use std::fmt;
use std::str::FromStr;

/// Where the broker is: the value of `SPRINGHARE_URL` and of the builder's `url`.
///
/// ```
/// use springhare::connection::Address;
///
/// let address: Address = "embedded:".parse()?;
/// assert_eq!(address, Address::Embedded);
/// assert!("embedded:./data".parse::<Address>().is_err(), "not built yet");
/// # Ok::<(), springhare::connection::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// `embedded:` — a broker in this process, in memory.
    Embedded,
}

/// Why a text is no address of a broker that can be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// `embedded:<directory>`: the embedded broker can't keep its messages on disk yet.
    #[error(
        "'{address}' asks for an embedded broker that is durable on disk, which is not built \
         yet; 'embedded:' keeps everything in memory"
    )]
    DurableEmbedded {
        /// The address as it was given.
        address: String,
    },
    /// `amqp://` and `amqps://`: the link over the network is not built yet.
    #[error(
        "'{address}' is a broker on the network, to which there is no link yet; 'embedded:' runs \
         one in this process"
    )]
    Network {
        /// The address, without user and password.
        address: String,
    },
    /// Neither of the known schemes.
    #[error(
        "'{address}' is not a broker's address; it starts with 'embedded:', 'amqp://' or \
         'amqps://'"
    )]
    UnknownScheme {
        /// The address, without user and password.
        address: String,
    },
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads an address; of a comma-separated list each must be one.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let mut parsed = Err(AddressError::UnknownScheme { address: String::new() });
        for address in text.split(',').map(str::trim) {
            parsed = Ok(parse_one(address)?);
        }
        parsed
    }
}

fn parse_one(address: &str) -> Result<Address, AddressError> {
    if let Some(directory) = address.strip_prefix("embedded:") {
        if directory.is_empty() {
            return Ok(Address::Embedded);
        }
        return Err(AddressError::DurableEmbedded { address: address.to_owned() });
    }
    let address_shown = without_credentials(address);
    if address.starts_with("amqp://") || address.starts_with("amqps://") {
        return Err(AddressError::Network { address: address_shown });
    }
    Err(AddressError::UnknownScheme { address: address_shown })
}

/// Cuts `user:password@` out: an error text ends up in logs.
fn without_credentials(address: &str) -> String {
    let Some((credentials, host)) = address.rsplit_once('@') else {
        return address.to_owned();
    };
    match credentials.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{host}"),
        None => host.to_owned(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_says_so() {
        assert_eq!("embedded:".parse(), Ok(Address::Embedded));
        let durable = "embedded:./data".parse::<Address>().unwrap_err();
        assert!(matches!(durable, AddressError::DurableEmbedded { .. }));
        let list = "embedded:, amqp://a".parse::<Address>().unwrap_err();
        assert!(matches!(list, AddressError::Network { .. }));
        for wrong in ["", "http://x", "memory"] {
            let unknown = wrong.parse::<Address>().unwrap_err();
            assert!(matches!(unknown, AddressError::UnknownScheme { .. }), "{wrong}");
        }
    }

    #[test]
    fn an_error_never_shows_the_password() {
        for address in ["amqp://guest:s3cret@host:5672/%2f", "amqps://a:s3cret@h", "x:s3cret@h"] {
            let shown = address.parse::<Address>().unwrap_err().to_string();
            assert!(!shown.contains("s3cret"), "{shown}");
            assert!(shown.contains('h'), "{shown}");
        }
    }
}
