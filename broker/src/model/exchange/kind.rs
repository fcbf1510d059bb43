use std::fmt;
use std::str::FromStr;

use springhare_amqp::ShortString;

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ExchangeKind {
    /// To the destinations bound with the message's routing key.
    Direct,
    /// To all destinations.
    Fanout,
    /// To the destinations whose pattern the routing key matches.
    Topic,
    /// To the destinations whose arguments the headers match.
    Headers,
    /// To one destination, the same for the same key; few keys move when destinations change.
    ConsistentHash,
    /// To one destination, the same for the same key as long as the bindings stay.
    ModulusHash,
    /// To one destination by chance.
    Random,
    /// To one queue by chance.
    LocalRandom,
    /// As the type that its arguments name, after the delay that the message asks for.
    DelayedMessage,
}

/// All types, with the names that they are declared by.
const NAMES: [(ExchangeKind, &str); 9] = [
    (ExchangeKind::Direct, "direct"),
    (ExchangeKind::Fanout, "fanout"),
    (ExchangeKind::Topic, "topic"),
    (ExchangeKind::Headers, "headers"),
    (ExchangeKind::ConsistentHash, "x-consistent-hash"),
    (ExchangeKind::ModulusHash, "x-modulus-hash"),
    (ExchangeKind::Random, "x-random"),
    (ExchangeKind::LocalRandom, "x-local-random"),
    (ExchangeKind::DelayedMessage, "x-delayed-message"),
];

impl ExchangeKind {
    /// The name that the type is declared by.
    pub(crate) fn as_str(self) -> &'static str {
        NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// As RabbitMQ's texts have it, where the type is an atom: one with a hyphen has quotes of its own.
impl fmt::Display for ExchangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            name if name.contains('-') => write!(f, "'{name}'"),
            name => f.write_str(name),
        }
    }
}

/// An exchange type that the broker does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} exchange type '{name}'", if name.is_empty() { "invalid" } else { "unknown" })]
pub(crate) struct UnknownExchangeKind {
    name: ShortString,
}

impl FromStr for ExchangeKind {
    type Err = UnknownExchangeKind;

    fn from_str(name: &str) -> Result<Self, UnknownExchangeKind> {
        let known = NAMES.iter().find(|(_, known)| *known == name);
        let unknown = || UnknownExchangeKind { name: ShortString::truncated(name) };
        known.map(|(kind, _)| *kind).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_types_have_names_and_others_are_refused() {
        for (kind, name) in NAMES {
            assert_eq!(name.parse(), Ok(kind));
            assert_eq!(kind.as_str(), name);
        }
        assert_eq!(ExchangeKind::Topic.to_string(), "topic");
        assert_eq!(ExchangeKind::Random.to_string(), "'x-random'");
        let refused = |name: &str| name.parse::<ExchangeKind>().unwrap_err().to_string();
        assert_eq!(refused("DIRECT"), "unknown exchange type 'DIRECT'");
        assert_eq!(refused(""), "invalid exchange type ''");
    }
}
