//! Values that are written alike on the command line and in the configuration file.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};
use springhare_broker::Durability;

/// Where to listen: an IP address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) SocketAddr);

/// Why a text is no [`Address`].
#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' is no IP address with a port: write 127.0.0.1:5672, [::1]:5672, or 0.0.0.0:5672 for all \
     of the machine's addresses"
)]
pub(crate) struct NoAddress(String);

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| NoAddress(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// How safe what is in the data folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeptDurability(pub(crate) Durability);

/// Why a text is no [`KeptDurability`].
#[derive(Debug, thiserror::Error)]
#[error(
    "'{0}' is no durability: write 'disk', so that a confirmed message survives a power cut, or 'os', \
     so that it survives the end of the server alone; to keep nothing, leave the data folder out"
)]
pub(crate) struct NoDurability(String);

impl FromStr for KeptDurability {
    type Err = NoDurability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(kept @ (Durability::Os | Durability::Disk)) => Ok(Self(kept)),
            Ok(Durability::Memory) | Err(_) => Err(NoDurability(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for KeptDurability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A time in seconds, whole or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

/// Why a number is no [`Seconds`].
#[derive(Debug, thiserror::Error)]
#[error("this is no time in seconds: write a number such as 5 or 0.5")]
pub(crate) struct NoSeconds;

impl TryFrom<f64> for Seconds {
    type Error = NoSeconds;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(seconds).map(Self).map_err(|_| NoSeconds)
    }
}

impl FromStr for Seconds {
    type Err = NoSeconds;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<f64>().map_err(|_| NoSeconds)?.try_into()
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_parts() {
        assert_eq!("5".parse::<Seconds>().unwrap().0, Duration::from_secs(5));
        assert_eq!("0.25".parse::<Seconds>().unwrap().0, Duration::from_millis(250));
        for text in ["-1", "nan", "inf", "", "5s"] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_no_address() {
        assert!("localhost:5672".parse::<Address>().is_err());
        assert_eq!("[::1]:1".parse::<Address>().unwrap().0.port(), 1);
    }
}
