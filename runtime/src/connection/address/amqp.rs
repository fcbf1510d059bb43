use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::slice;
use std::str::FromStr;
use std::time::Duration;

use fluent_uri::pct_enc::{EString, encoder};
use springhare_amqp::ShortString;

use super::error::AddressError;
use super::password::Password;
use super::redacted::redacted;
use super::tls_options::{TlsDefaults, TlsOptions};
use super::uri;

/// How often each side shows that it lives, in seconds, unless an address says `heartbeat`. It is
/// what RabbitMQ proposes itself, and Java's client with it; the broker may ask for less.
pub const HEARTBEAT_SECONDS: u16 = 60;

/// How long connecting may take, unless an address says `connection_timeout`. Java's client gives
/// the TCP connection alone 60 s; a broker in reach answers within a second, and with a failover
/// list the next one should have its turn soon.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) const DEFAULT_HOST: &str = "localhost";
/// The user that every new RabbitMQ has, who may log in from its own machine only.
pub(super) const DEFAULT_USER: &str = "guest";
pub(super) const DEFAULT_PASSWORD: &str = "guest";
pub(super) const DEFAULT_VIRTUAL_HOST: ShortString = ShortString::from_static("/");

/// What AMQP is spoken on, by the scheme of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Tls,
}

impl Transport {
    const ALL: [Self; 2] = [Self::Tcp, Self::Tls];

    /// The transport of this address; none if it has another scheme.
    pub(super) fn of(address: &str) -> Option<Self> {
        let prefix = |scheme: &str| address.get(..scheme.len());
        Self::ALL.into_iter().find(|transport| {
            prefix(transport.prefix())
                .is_some_and(|start| start.eq_ignore_ascii_case(transport.prefix()))
        })
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Tcp => "amqp://",
            Self::Tls => "amqps://",
        }
    }

    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Tcp => 5672,
            Self::Tls => 5671,
        }
    }
}

/// A broker on the network: RabbitMQ's
/// [`amqp` URI](https://www.rabbitmq.com/docs/uri-spec), read.
///
/// `amqp://user:password@host:port/virtual-host?parameter=value&..`, and `amqps://` for TLS. Every
/// part may be absent: the user is `guest` then, with the password `guest`, the host `localhost`,
/// the port 5672 (5671 with TLS) and the virtual host `/`. `amqp://host/` names the virtual host
/// whose name is empty. What is no letter or digit is percent-encoded; an `@` after the host, which
/// a URI could have, must be (`%40`), since it mostly stands there because a `/` before it should
/// have been.
///
/// The parameters are [those of RabbitMQ](https://www.rabbitmq.com/docs/uri-query-parameters):
///
/// | parameter | meaning |
/// |---|---|
/// | `heartbeat` | seconds, 0 for none; [`HEARTBEAT_SECONDS`] if absent |
/// | `connection_timeout` | milliseconds; [`CONNECTION_TIMEOUT`] if absent |
/// | `cacertfile` | the authorities that are trusted; the system's if absent |
/// | `certfile`, `keyfile` | the client certificate and its key |
/// | `verify` | `verify_peer`, which is meant if absent, or `verify_none` |
/// | `server_name_indication` | whom the certificate is made out to; the host if absent |
///
/// `Display` is the address without user, password and parameters.
///
/// ```
/// use springhare::connection::AmqpAddress;
///
/// let address: AmqpAddress = "amqps://shop:s3cret@rabbit.example/orders?heartbeat=10".parse()?;
/// assert_eq!((address.host(), address.port()), ("rabbit.example", 5671));
/// assert_eq!((address.user(), address.heartbeat()), ("shop", 10));
/// assert!(address.tls().is_some());
/// assert_eq!(address.to_string(), "amqps://rabbit.example:5671/orders");
/// # Ok::<(), springhare::connection::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) virtual_host: ShortString,
    pub(super) user: String,
    pub(super) password: Password,
    pub(super) heartbeat: u16,
    pub(super) connection_timeout: Duration,
    pub(super) tls: Option<TlsOptions>,
}

impl AmqpAddress {
    /// A name, or an IP address (of version 6 without its brackets).
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The virtual host.
    #[must_use]
    pub fn virtual_host(&self) -> &ShortString {
        &self.virtual_host
    }

    /// Who logs in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The user's password.
    #[must_use]
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// How often each side shows that it lives, in seconds; 0 asks for none.
    #[must_use]
    pub fn heartbeat(&self) -> u16 {
        self.heartbeat
    }

    /// How long it may take until the connection is open: name, TCP, TLS and login together.
    #[must_use]
    pub fn connection_timeout(&self) -> Duration {
        self.connection_timeout
    }

    /// How TLS is spoken; none for `amqp://`.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsOptions> {
        self.tls.as_ref()
    }
}

/// What is meant by an address that does not say it.
#[derive(Debug, Clone)]
pub(crate) struct AmqpDefaults {
    pub(crate) user: String,
    pub(crate) password: Password,
    pub(crate) virtual_host: ShortString,
    pub(crate) heartbeat: u16,
    pub(crate) connection_timeout: Duration,
    pub(crate) tls: TlsDefaults,
}

impl Default for AmqpDefaults {
    fn default() -> Self {
        Self {
            user: DEFAULT_USER.to_owned(),
            password: Password::new(DEFAULT_PASSWORD),
            virtual_host: DEFAULT_VIRTUAL_HOST,
            heartbeat: HEARTBEAT_SECONDS,
            connection_timeout: CONNECTION_TIMEOUT,
            tls: TlsDefaults::default(),
        }
    }
}

impl FromStr for AmqpAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::read(text, &AmqpDefaults::default())
    }
}

impl AmqpAddress {
    /// The address that a text says, and the defaults where it says nothing.
    pub(super) fn read(text: &str, defaults: &AmqpDefaults) -> Result<Self, AddressError> {
        let text = text.trim();
        let Some(transport) = Transport::of(text) else {
            return Err(AddressError::UnknownScheme { address: redacted(text) });
        };
        uri::parse(text, transport, defaults)
            .map_err(|problem| AddressError::Amqp { address: redacted(text), problem })
    }
}

impl fmt::Display for AmqpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = if self.tls.is_some() { Transport::Tls } else { Transport::Tcp };
        let mut virtual_host = EString::<encoder::Path>::new();
        virtual_host.encode_str::<encoder::Data>(&self.virtual_host);
        f.write_str(transport.prefix())?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        write!(f, ":{}/{}", self.port, virtual_host.as_str())
    }
}

/// In which order the brokers of a list are tried: Spring Boot's `address-shuffle-mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddressOrder {
    /// As they are given, from the first, each time a connection is opened: Boot's `none`.
    #[default]
    AsGiven,
    /// Another order each time: Boot's `random`.
    Random,
    /// Each time from the next one: Boot's `inorder`.
    InTurn,
}

/// Brokers on the network, at least one, of which the first that answers is taken: the nodes of a
/// cluster.
///
/// `Display` has them in order, without users and passwords, with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpAddresses {
    first: Box<AmqpAddress>,
    rest: Vec<AmqpAddress>,
}

impl AmqpAddresses {
    /// These addresses, in this order.
    pub fn new(first: AmqpAddress, rest: impl IntoIterator<Item = AmqpAddress>) -> Self {
        Self { first: Box::new(first), rest: rest.into_iter().collect() }
    }

    /// In the order that an attempt to connect takes them, of which this is the `turn`th.
    pub(crate) fn in_order(&self, order: AddressOrder, turn: usize) -> Vec<&AmqpAddress> {
        let mut addresses: Vec<&AmqpAddress> = self.iter().collect();
        let count = addresses.len();
        match order {
            AddressOrder::AsGiven => {}
            AddressOrder::InTurn => addresses.rotate_left(turn % count),
            AddressOrder::Random => {
                // The standard library's hash keys differ from one time to the next.
                addresses.sort_by_cached_key(|address| {
                    RandomState::new().hash_one((address.host(), address.port()))
                });
            }
        }
        addresses
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> &AmqpAddress {
        &self.first
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &AmqpAddress> {
        self.into_iter()
    }
}

impl From<AmqpAddress> for AmqpAddresses {
    fn from(address: AmqpAddress) -> Self {
        Self::new(address, [])
    }
}

impl<'a> IntoIterator for &'a AmqpAddresses {
    type Item = &'a AmqpAddress;
    type IntoIter =
        std::iter::Chain<std::iter::Once<&'a AmqpAddress>, slice::Iter<'a, AmqpAddress>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(&*self.first).chain(&self.rest)
    }
}

impl fmt::Display for AmqpAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.rest.iter().try_for_each(|address| write!(f, ",{address}"))
    }
}
