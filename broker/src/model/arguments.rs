//! The arguments of a queue: read once into types when it is declared, compared by RabbitMQ's
//! rules when it is declared again.
//!
//! What each argument does is the queue's matter. An argument that no queue type knows is kept
//! and means nothing, as in RabbitMQ.

mod check;

pub(crate) use check::check_depth;

use std::fmt;
use std::time::Duration;

use springhare_amqp::{FieldTable, FieldValue, ShortString};

pub use self::check::UnknownQueueType;

use crate::model::definition::Resource;
use crate::model::erlang::{Text, same_value, type_class};
use crate::model::stream::interval;

/// Arguments that are refused: the text of a 406 error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ArgumentError {
    /// The argument or property that is refused.
    key: Option<String>,
    text: String,
}

impl ArgumentError {
    pub(crate) fn new(text: String) -> Self {
        Self { key: None, text }
    }

    /// What is refused is this argument or property.
    pub(crate) fn of(key: &str, text: String) -> Self {
        Self { key: Some(key.to_owned()), text }
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// What kind of queue it is: `x-queue-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueType {
    /// An ordinary queue.
    #[default]
    Classic,
    /// A queue that counts failed deliveries (and is replicated, in RabbitMQ).
    Quorum,
    /// A log that is read again and again.
    Stream,
}

/// What a full queue does: `x-overflow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Overflow {
    /// Drops, or dead-letters, its oldest message.
    #[default]
    DropHead,
    /// Refuses the new message.
    RejectPublish,
    /// Refuses the new message and dead-letters it.
    RejectPublishDlx,
}

/// What a dead letter is that no queue takes: `x-dead-letter-strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DeadLetterStrategy {
    /// Dropped.
    #[default]
    AtMostOnce,
    /// Kept by its queue, which tries again.
    AtLeastOnce,
}

/// Which messages that come back wait before they are ready again: `x-delayed-retry-type`, with
/// `x-delayed-retry-min` and `-max` (RabbitMQ 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DelayedRetry {
    pub(crate) which: Delayed,
    /// How long the first time; the n-th time n times as long.
    pub(crate) min: Duration,
    /// How long at most.
    pub(crate) max: Duration,
}

/// Which messages wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delayed {
    /// All that come back.
    All,
    /// Those whose delivery failed, and counts.
    Failed,
    /// Those that were handed back without a fault.
    Returned,
}

/// Whether one consumer at a time gets messages: `x-single-active-consumer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ActiveConsumers {
    /// All consumers share the messages.
    #[default]
    All,
    /// The first gets them all; the next takes over when it goes.
    Single,
}

/// How many deliveries of a message may fail: `x-delivery-limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliveryLimit {
    /// So many; one more, and it is dead.
    AtMost(u32),
    /// As many as there are: a number below zero.
    Unlimited,
}

/// How long a message waits that is retried with a delay, where nothing else is said.
const DELAYED_RETRY_MIN: Duration = Duration::from_secs(1);
/// How long it waits at most, where nothing else is said.
const DELAYED_RETRY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The arguments of a queue.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct QueueArguments {
    /// `x-queue-type`.
    pub(crate) queue_type: QueueType,
    /// `x-message-ttl`: how long a message waits at most.
    pub(crate) message_ttl: Option<Duration>,
    /// `x-expires`: how long the queue stays while nobody uses it.
    pub(crate) expires: Option<Duration>,
    /// `x-max-length`: how many messages may be ready.
    pub(crate) max_length: Option<u64>,
    /// `x-max-length-bytes`: how many bytes the bodies of the ready messages may have.
    pub(crate) max_length_bytes: Option<u64>,
    /// `x-overflow`.
    pub(crate) overflow: Overflow,
    /// `x-dead-letter-exchange`; empty for the default exchange.
    pub(crate) dead_letter_exchange: Option<ShortString>,
    /// `x-dead-letter-routing-key`; without it a dead letter keeps its own key.
    pub(crate) dead_letter_routing_key: Option<ShortString>,
    /// `x-max-priority`: the highest priority of a message.
    pub(crate) max_priority: Option<u8>,
    /// `x-single-active-consumer`.
    pub(crate) active_consumers: ActiveConsumers,
    /// `x-delivery-limit`: how many deliveries may fail.
    pub(crate) delivery_limit: Option<DeliveryLimit>,
    /// `x-dead-letter-strategy`.
    pub(crate) dead_letter_strategy: DeadLetterStrategy,
    /// `x-delayed-retry-type`, with `-min` and `-max`.
    pub(crate) delayed_retry: Option<DelayedRetry>,
    /// `x-max-age`: how old the messages of a stream may be.
    pub(crate) max_age: Option<Duration>,
    /// `x-stream-max-segment-size-bytes`: how much of a stream is dropped at a time.
    pub(crate) max_segment_size_bytes: Option<u64>,
    /// All arguments as they were given.
    table: FieldTable,
}

impl QueueArguments {
    /// Reads the arguments of `queue`, which is declared for the first time.
    ///
    /// # Errors
    ///
    /// A value of the wrong type or out of its range, or an argument that only another type of
    /// queue has.
    pub(crate) fn parse(table: &FieldTable, queue: Resource<'_>) -> Result<Self, ArgumentError> {
        let queue_type = check::check_all(table, queue)?;
        // What stands here was checked, so what does not fit is not there.
        let number = |name: &str| table.get(name).and_then(FieldValue::as_i64);
        let unsigned = |name: &str| number(name).and_then(|number| u64::try_from(number).ok());
        let milliseconds = |name: &str| unsigned(name).map(Duration::from_millis);
        let text = |name: &str| table.get(name).and_then(FieldValue::as_str);
        let name = |name: &str| text(name).and_then(|text| ShortString::new(text).ok());
        let flag = |name: &str| table.get(name).and_then(FieldValue::as_bool);
        Ok(Self {
            queue_type,
            message_ttl: milliseconds("x-message-ttl"),
            expires: milliseconds("x-expires"),
            max_length: unsigned("x-max-length"),
            max_length_bytes: unsigned("x-max-length-bytes"),
            overflow: match text("x-overflow") {
                Some("reject-publish") => Overflow::RejectPublish,
                Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
                _ => Overflow::DropHead,
            },
            dead_letter_exchange: name("x-dead-letter-exchange"),
            dead_letter_routing_key: name("x-dead-letter-routing-key"),
            max_priority: number("x-max-priority").and_then(|number| u8::try_from(number).ok()),
            active_consumers: match flag("x-single-active-consumer") {
                Some(true) => ActiveConsumers::Single,
                _ => ActiveConsumers::All,
            },
            delivery_limit: number("x-delivery-limit").map(DeliveryLimit::from),
            dead_letter_strategy: match text("x-dead-letter-strategy") {
                Some("at-least-once") => DeadLetterStrategy::AtLeastOnce,
                _ => DeadLetterStrategy::AtMostOnce,
            },
            delayed_retry: DelayedRetry::of(
                text("x-delayed-retry-type"),
                milliseconds("x-delayed-retry-min"),
                milliseconds("x-delayed-retry-max"),
            ),
            max_age: text("x-max-age").and_then(interval),
            max_segment_size_bytes: unsigned("x-stream-max-segment-size-bytes"),
            table: table.clone(),
        })
    }

    /// Whether the argument was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains(name)
    }

    /// All arguments as they were given.
    pub(crate) fn table(&self) -> &FieldTable {
        &self.table
    }

    /// Checks that the arguments of another declaration are the same, as far as the queue's type
    /// knows them. They need not be valid: a wrong value is a different one.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub(crate) fn check_equivalent(
        &self,
        received: &FieldTable,
        queue: Resource<'_>,
    ) -> Result<(), ArgumentError> {
        for name in self.queue_type.argument_names() {
            check_argument(name, queue, self.table.get(name), received.get(name))?;
        }
        Ok(())
    }
}

impl DelayedRetry {
    /// What type, minimum and maximum say; none without a type, and for `disabled`.
    pub(crate) fn of(
        which: Option<&str>,
        min: Option<Duration>,
        max: Option<Duration>,
    ) -> Option<Self> {
        let which = match which? {
            "all" => Delayed::All,
            "failed" => Delayed::Failed,
            "returned" => Delayed::Returned,
            _ => return None,
        };
        let (min, max) = (min.unwrap_or(DELAYED_RETRY_MIN), max.unwrap_or(DELAYED_RETRY_MAX));
        Some(Self { which, min, max })
    }
}

impl From<i64> for DeliveryLimit {
    fn from(limit: i64) -> Self {
        match u64::try_from(limit) {
            Ok(limit) => Self::AtMost(u32::try_from(limit).unwrap_or(u32::MAX)),
            Err(_) => Self::Unlimited,
        }
    }
}

/// Checks that a property is what it was, and says so in RabbitMQ's words if not.
pub(crate) fn check_field<T: fmt::Display + PartialEq + ?Sized>(
    name: &str,
    resource: Resource<'_>,
    current: &T,
    received: &T,
) -> Result<(), ArgumentError> {
    if current == received {
        return Ok(());
    }
    Err(inequivalent(name, resource, format_args!("'{current}'"), format_args!("'{received}'")))
}

/// Checks that an argument is what it was.
pub(crate) fn check_argument(
    name: &str,
    resource: Resource<'_>,
    current: Option<&FieldValue>,
    received: Option<&FieldValue>,
) -> Result<(), ArgumentError> {
    match (current, received) {
        (None, None) => Ok(()),
        (Some(current), Some(received)) => {
            let same_class = type_class(current) == type_class(received);
            if current == received || (same_class && same_value(current, received)) {
                return Ok(());
            }
            let (current, received) = (Text(current), Text(received));
            let quoted = (format_args!("'{current}'"), format_args!("'{received}'"));
            Err(inequivalent(name, resource, quoted.0, quoted.1))
        }
        // Queues were classic before there was a name for it.
        (None, Some(value)) | (Some(value), None)
            if name == "x-queue-type" && value.as_str() == Some("classic") =>
        {
            Ok(())
        }
        (current, received) => {
            Err(inequivalent(name, resource, OneSided(current), OneSided(received)))
        }
    }
}

fn inequivalent(
    name: &str,
    resource: Resource<'_>,
    current: impl fmt::Display,
    received: impl fmt::Display,
) -> ArgumentError {
    let text = format!(
        "inequivalent arg '{name}' for {resource}: received {received} but current is {current}"
    );
    ArgumentError::of(name, text)
}

/// An argument that only one side has: with its type there, as `none` here.
struct OneSided<'v>(Option<&'v FieldValue>);

impl fmt::Display for OneSided<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(value) => write!(f, "the value '{}' of type '{}'", Text(value), value.type_name()),
        }
    }
}

#[cfg(test)]
mod tests;
