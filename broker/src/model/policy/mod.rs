//! Policies: what queues and exchanges do whose names match a pattern, beside what they were
//! declared with.
//!
//! In: what a policy may say, which one counts for a queue or an exchange, and what it comes to
//! together with the operator's policy. Out: the policies of a virtual host and the queues that
//! they change, which are the engine's, and what a queue makes of it together with its own
//! arguments ([`QueueSettings`](crate::model::queue::QueueSettings)).

mod checked;
mod effective;
mod error;
mod pattern;
mod policies;
mod setting;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use springhare_amqp::{FieldTable, FieldValue, ShortString};

pub(crate) use self::checked::CheckedPolicy;
pub(crate) use self::effective::EffectivePolicy;
pub use self::error::{PolicyError, PolicyFault};
pub(crate) use self::policies::{Policies, Target};

/// What queues and exchanges of a virtual host do whose names match a pattern: RabbitMQ's
/// policies, with its keys and values.
///
/// Of all policies that match a queue or an exchange one counts, that with the highest priority;
/// of two with the same, the one whose name comes first. A policy with a key that a type of queue
/// can't have does not match such queues.
///
/// The pattern is a regular expression that has to be found somewhere in the name, as in
/// [`Permissions`](crate::Permissions); `^(?!..)` at its beginning excludes names.
///
/// ```
/// use springhare_broker::{ApplyTo, Broker, Policy};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let broker = Broker::builder().start()?;
/// let policy = Policy::new("orders", "^orders\\.")
///     .apply_to(ApplyTo::Queues)
///     .priority(5)
///     .set("max-length", 10_000)
///     .set("overflow", "reject-publish");
/// broker.set_policy("/", policy).await?;
///
/// let wrong = Policy::new("orders", "^orders\\.").set("message-ttl", -1);
/// let error = broker.set_policy("/", wrong).await.unwrap_err();
/// assert!(error.to_string().ends_with("-1 is not a valid message TTL"));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a policy counts once it is given to a broker"]
pub struct Policy {
    /// The name, by which it is replaced and cleared.
    pub name: String,
    /// What has to be found in the name of a queue or exchange.
    pub pattern: String,
    /// What it is for.
    pub apply_to: ApplyTo,
    /// A higher one counts before a lower.
    pub priority: i64,
    /// All that it says, by RabbitMQ's keys.
    pub definition: FieldTable,
}

/// What a policy is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of all types.
    Queues,
    /// Queues of type `classic`.
    ClassicQueues,
    /// Queues of type `quorum`.
    QuorumQueues,
    /// Queues of type `stream`.
    Streams,
}

/// Who makes a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PolicyKind {
    /// Whoever runs the applications: it may say everything.
    User,
    /// Whoever runs the broker: it limits what the others may say.
    Operator,
}

impl Policy {
    /// A policy for the queues and exchanges whose names match. It says nothing yet, which is
    /// refused: [`set`](Self::set) something.
    pub fn new(name: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pattern: pattern.into(),
            apply_to: ApplyTo::default(),
            priority: 0,
            definition: FieldTable::new(),
        }
    }

    /// For these only; for [`All`](ApplyTo::All), if nothing else is said.
    pub fn apply_to(mut self, what: ApplyTo) -> Self {
        self.apply_to = what;
        self
    }

    /// Counts before those with a lower priority; 0, if nothing else is said.
    pub fn priority(mut self, priority: i64) -> Self {
        self.priority = priority;
        self
    }

    /// Says one thing: `message-ttl`, `dead-letter-exchange` and the like, by RabbitMQ's keys. What
    /// the key may be is checked when the policy is given to a broker.
    pub fn set(mut self, key: &str, value: impl Into<FieldValue>) -> Self {
        self.definition.set(ShortString::truncated(key), value);
        self
    }
}

impl ApplyTo {
    /// What RabbitMQ calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exchanges => "exchanges",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
        }
    }
}

impl fmt::Display for ApplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A policy is to be for something that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "apply-to '{name}' unrecognised; should be 'queues', 'classic_queues', 'quorum_queues', \
     'streams', 'exchanges', or 'all'"
)]
pub struct UnknownApplyTo {
    name: String,
}

impl FromStr for ApplyTo {
    type Err = UnknownApplyTo;

    fn from_str(name: &str) -> Result<Self, UnknownApplyTo> {
        [
            Self::All,
            Self::Exchanges,
            Self::Queues,
            Self::ClassicQueues,
            Self::QuorumQueues,
            Self::Streams,
        ]
        .into_iter()
        .find(|what| what.as_str() == name)
        .ok_or_else(|| UnknownApplyTo { name: name.to_owned() })
    }
}
