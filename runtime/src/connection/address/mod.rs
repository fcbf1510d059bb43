//! Where the broker is.
//!
//! `amqp` has the types of an address on the network, `uri` and `query` read one, `redacted` is
//! how an error shows one that can't be read. `embedded` is a broker in this process.

mod amqp;
mod embedded;
mod error;
mod password;
mod query;
mod redacted;
mod tls_options;
mod uri;

use std::fmt;
use std::str::FromStr;

pub(crate) use amqp::AmqpDefaults;
pub use amqp::{AddressOrder, AmqpAddress, AmqpAddresses, CONNECTION_TIMEOUT, HEARTBEAT_SECONDS};
pub use embedded::EmbeddedAddress;
pub use error::{AddressError, AmqpAddressProblem, EmbeddedAddressProblem};
pub use password::Password;
pub(crate) use tls_options::TlsDefaults;
pub use tls_options::{ClientCertificate, TlsOptions, Verify};

use embedded::EMBEDDED;
use redacted::redacted;

/// Where the broker is: the value of `SPRINGHARE_URL` and of the builder's `url`.
///
/// ```
/// use springhare::connection::{Address, EmbeddedAddress};
///
/// assert_eq!("embedded:".parse::<Address>()?, Address::Embedded(EmbeddedAddress::default()));
/// let durable: Address = "embedded:./data".parse()?;
/// assert_eq!(durable.to_string(), "embedded:./data");
/// let cluster: Address = "amqp://shop:s3cret@rabbit-1, amqp://shop:s3cret@rabbit-2".parse()?;
/// assert_eq!(cluster.to_string(), "amqp://rabbit-1:5672/%2F,amqp://rabbit-2:5672/%2F");
/// # Ok::<(), springhare::connection::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// `embedded:` and `embedded:./data` — a broker in this process, in memory or with a folder.
    Embedded(EmbeddedAddress),
    /// `amqp://..` and `amqps://..` — a broker on the network, or several with commas between.
    Amqp(AmqpAddresses),
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads an address, or a list of those on the network with commas between them.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::read(text, &AmqpDefaults::default())
    }
}

impl Address {
    /// The same, and what is meant by an address on the network that does not say it.
    pub(crate) fn read(text: &str, defaults: &AmqpDefaults) -> Result<Self, AddressError> {
        let addresses = split_list(text);
        let [first, rest @ ..] = addresses.as_slice() else {
            return Err(AddressError::UnknownScheme { address: String::new() });
        };
        if rest.is_empty() && is_embedded(first) {
            return first.parse().map(Self::Embedded);
        }
        if addresses.iter().any(|address| is_embedded(address)) {
            let shown = addresses.iter().map(|address| {
                if is_embedded(address) { EMBEDDED.to_owned() } else { redacted(address) }
            });
            let addresses = shown.collect::<Vec<_>>().join(",");
            return Err(AddressError::EmbeddedInList { addresses });
        }
        let first = AmqpAddress::read(first, defaults)?;
        let rest = rest.iter().map(|address| AmqpAddress::read(address, defaults));
        let rest = rest.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Amqp(AmqpAddresses::new(first, rest)))
    }
}

/// Cuts a list at the commas that an address follows. Others are part of the address that they are
/// in: a password may have one.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    let mut addresses = Vec::new();
    let mut start = 0;
    for (comma, _) in text.match_indices(',') {
        let next = text.get(comma + 1..).unwrap_or_default().trim_start();
        if is_embedded(next) || amqp::Transport::of(next).is_some() {
            addresses.push(text.get(start..comma).unwrap_or_default().trim());
            start = comma + 1;
        }
    }
    addresses.push(text.get(start..).unwrap_or_default().trim());
    addresses
}

fn is_embedded(address: &str) -> bool {
    address.starts_with(EMBEDDED)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(address) => address.fmt(f),
            Self::Amqp(addresses) => addresses.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
