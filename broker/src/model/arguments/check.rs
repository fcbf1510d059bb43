//! What each queue argument may be, in the order in which RabbitMQ looks at them.

use std::str::FromStr;

use springhare_amqp::wire::{DecodeError, TABLE_DEPTH_MAX};
use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::{ArgumentError, QueueType};
use crate::model::definition::Resource;
use crate::model::stream::interval;

/// Ten years: the longest time that RabbitMQ takes, in milliseconds.
const EXPIRY_MAX_MS: i64 = 315_360_000_000;
/// The largest segment of a stream, in bytes.
const SEGMENT_BYTES_MAX: i64 = 3_000_000_000;
/// The highest `x-max-priority`.
const PRIORITY_MAX: i64 = 255;

/// Refuses what could be sent and written, and not be read again. It comes from this process or a
/// file: what comes from a socket was read.
pub(crate) fn check_depth(arguments: &FieldTable) -> Result<(), ArgumentError> {
    match arguments.is_deeper_than(TABLE_DEPTH_MAX) {
        true => Err(ArgumentError::of("arguments", DecodeError::TooDeep.to_string())),
        false => Ok(()),
    }
}

impl QueueType {
    /// What `x-queue-type` calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }

    /// The arguments that this type of queue knows, in the order in which they are compared.
    pub(super) fn argument_names(self) -> &'static [&'static str] {
        match self {
            Self::Classic => &[
                "x-expires",
                "x-message-ttl",
                "x-dead-letter-exchange",
                "x-dead-letter-routing-key",
                "x-max-length",
                "x-max-length-bytes",
                "x-max-priority",
                "x-overflow",
                "x-queue-mode",
                "x-queue-version",
                "x-single-active-consumer",
                "x-queue-type",
                "x-queue-master-locator",
            ],
            Self::Quorum => &[
                "x-dead-letter-exchange",
                "x-dead-letter-routing-key",
                "x-dead-letter-strategy",
                "x-expires",
                "x-max-length",
                "x-max-length-bytes",
                "x-max-in-memory-length",
                "x-max-in-memory-bytes",
                "x-overflow",
                "x-single-active-consumer",
                "x-queue-type",
                "x-quorum-initial-group-size",
                "x-delivery-limit",
                "x-message-ttl",
                "x-queue-leader-locator",
                "x-delayed-retry-type",
                "x-delayed-retry-min",
                "x-delayed-retry-max",
            ],
            Self::Stream => &[
                "x-max-length-bytes",
                "x-queue-type",
                "x-max-age",
                "x-stream-max-segment-size-bytes",
                "x-initial-cluster-size",
                "x-queue-leader-locator",
            ],
        }
    }

    /// The name of RabbitMQ's module for the type, which its texts use.
    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
            Self::Stream => "rabbit_stream_queue",
        }
    }

    /// Whether the type knows the argument. RabbitMQ 3.10 refuses a leader locator on classic
    /// queues, later ones take it.
    fn knows(self, name: &str) -> bool {
        self.argument_names().contains(&name)
            || (self == Self::Classic && name == "x-queue-leader-locator")
    }
}

/// There is no such type of queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsupported queue type '{name}'; known are 'classic', 'quorum' and 'stream'")]
pub struct UnknownQueueType {
    name: String,
}

impl FromStr for QueueType {
    type Err = UnknownQueueType;

    fn from_str(name: &str) -> Result<Self, UnknownQueueType> {
        let known = TYPES.into_iter().find(|queue_type| queue_type.as_str() == name);
        known.ok_or_else(|| UnknownQueueType { name: name.to_owned() })
    }
}

const TYPES: [QueueType; 3] = [QueueType::Classic, QueueType::Quorum, QueueType::Stream];

type Check = fn(&FieldValue, &FieldTable) -> Result<(), Refusal>;

/// The arguments whose values are checked, in RabbitMQ's order.
const CHECKS: &[(&str, Check)] = &[
    ("x-expires", |value, _| if integer(value)? == 0 { Err(Refusal::Zero) } else { expiry(value) }),
    ("x-message-ttl", |value, _| expiry(value)),
    ("x-dead-letter-exchange", |value, _| name(value)),
    ("x-dead-letter-routing-key", |value, table| {
        text(value)?;
        if !table.contains("x-dead-letter-exchange") {
            return Err(Refusal::Invalid("routing_key_but_no_dlx_defined"));
        }
        name(value)
    }),
    ("x-dead-letter-strategy", |value, _| {
        one_of(value, &["at-most-once", "at-least-once"], Refusal::Invalid("invalid_dlx_strategy"))
    }),
    ("x-max-length", |value, _| not_negative(value).map(drop)),
    ("x-max-length-bytes", |value, _| not_negative(value).map(drop)),
    ("x-max-in-memory-length", |value, _| not_negative(value).map(drop)),
    ("x-max-in-memory-bytes", |value, _| not_negative(value).map(drop)),
    ("x-max-priority", |value, _| match not_negative(value)? {
        0..=PRIORITY_MAX => Ok(()),
        larger => Err(Refusal::MaxExceeded(larger)),
    }),
    ("x-overflow", |value, _| {
        let known = ["drop-head", "reject-publish", "reject-publish-dlx"];
        one_of(value, &known, Refusal::Invalid("invalid_overflow"))
    }),
    ("x-queue-mode", |value, _| {
        one_of(value, &["default", "lazy"], Refusal::Unsupported("mode", text(value)?))
    }),
    ("x-queue-version", |value, _| match not_negative(value)? {
        1 | 2 => Ok(()),
        version => Err(Refusal::Unsupported("version", version.to_string())),
    }),
    ("x-single-active-consumer", |value, _| match value {
        FieldValue::Boolean(_) => Ok(()),
        value => Err(Refusal::UnacceptableType(value.type_name())),
    }),
    ("x-quorum-initial-group-size", |value, _| not_zero(value)),
    ("x-max-age", |value, _| {
        let age = text(value)?;
        interval(&age).map(drop).ok_or(Refusal::Invalid("invalid_max_age"))
    }),
    ("x-stream-max-segment-size-bytes", |value, _| not_negative(value).map(drop)),
    ("x-initial-cluster-size", |value, _| not_zero(value)),
    ("x-queue-leader-locator", |value, _| {
        let known = ["client-local", "balanced", "random", "least-leaders"];
        one_of(value, &known, Refusal::Invalid("invalid_queue_locator_arg"))
    }),
    // RabbitMQ 3.10 takes anything here and later ones an integer; below zero is no limit.
    ("x-delivery-limit", |value, _| integer(value).map(drop)),
    // RabbitMQ has these from 4.3 on; 3.10 takes anything.
    ("x-delayed-retry-type", |value, _| {
        let known = ["disabled", "all", "failed", "returned"];
        one_of(value, &known, Refusal::Invalid("invalid_delayed_retry_type"))
    }),
    ("x-delayed-retry-min", |value, _| delay(value)),
    ("x-delayed-retry-max", |value, table| {
        delay(value)?;
        let min = table.get("x-delayed-retry-min").and_then(FieldValue::as_i64);
        match min {
            Some(min) if integer(value)? < min => {
                Err(Refusal::Invalid("delayed_retry_max_below_min"))
            }
            _ => Ok(()),
        }
    }),
];

/// Why a value is refused; prints as the Erlang term that RabbitMQ's text ends with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("\"expected integer, got {0}\"")]
    NoInteger(&'static str),
    #[error("{{unacceptable_type,{0}}}")]
    UnacceptableType(&'static str),
    #[error("{{value_negative,{0}}}")]
    Negative(i64),
    #[error("{{value_zero,0}}")]
    Zero,
    #[error("{{value_too_large,{0}}}")]
    TooLarge(i64),
    #[error("{{max_value_exceeded,{0}}}")]
    MaxExceeded(i64),
    #[error("\"unsupported queue {0} '{1}'\"")]
    Unsupported(&'static str, String),
    #[error("{0}")]
    Invalid(&'static str),
    /// RabbitMQ takes longer names, which nothing can have.
    #[error("\"expected a name of at most 255 bytes of UTF-8\"")]
    NoName,
}

/// Checks all arguments of a queue and finds out its type.
pub(super) fn check_all(
    table: &FieldTable,
    queue: Resource<'_>,
) -> Result<QueueType, ArgumentError> {
    let queue_type =
        queue_type(table).map_err(|refusal| invalid("x-queue-type", queue, &refusal))?;
    for (name, check) in CHECKS {
        if let Some(value) = table.get(name).filter(|_| queue_type.knows(name)) {
            check(value, table).map_err(|refusal| invalid(name, queue, &refusal))?;
        }
    }
    let foreign = table
        .iter()
        .map(|(name, _)| name)
        .find(|name| !queue_type.knows(name) && TYPES.iter().any(|other| other.knows(name)));
    match foreign {
        None => check_segment(table, queue_type),
        Some(name) => {
            let module = queue_type.module();
            let text = format!("invalid arg '{name}' for {queue} of queue type {module}");
            Err(ArgumentError::of(name, text))
        }
    }
}

/// RabbitMQ looks at the size of a stream's segments last, and in words of its own.
fn check_segment(table: &FieldTable, queue_type: QueueType) -> Result<QueueType, ArgumentError> {
    let name = "x-stream-max-segment-size-bytes";
    match table.get(name).and_then(FieldValue::as_i64) {
        Some(bytes) if queue_type == QueueType::Stream && bytes > SEGMENT_BYTES_MAX => {
            Err(ArgumentError::of(name, format!("Exceeded max value for {name}")))
        }
        _ => Ok(queue_type),
    }
}

fn invalid(name: &str, queue: Resource<'_>, refusal: &Refusal) -> ArgumentError {
    ArgumentError::of(name, format!("invalid arg '{name}' for {queue}: {refusal}"))
}

fn queue_type(table: &FieldTable) -> Result<QueueType, Refusal> {
    let Some(value) = table.get("x-queue-type") else {
        return Ok(QueueType::default());
    };
    let name = text(value)?;
    name.parse().map_err(|_: UnknownQueueType| Refusal::Unsupported("type", name))
}

fn integer(value: &FieldValue) -> Result<i64, Refusal> {
    value.as_i64().ok_or(Refusal::NoInteger(value.type_name()))
}

fn not_negative(value: &FieldValue) -> Result<i64, Refusal> {
    match integer(value)? {
        negative @ ..0 => Err(Refusal::Negative(negative)),
        number => Ok(number),
    }
}

fn not_zero(value: &FieldValue) -> Result<(), Refusal> {
    match not_negative(value)? {
        0 => Err(Refusal::Zero),
        _ => Ok(()),
    }
}

fn delay(value: &FieldValue) -> Result<(), Refusal> {
    not_zero(value)?;
    expiry(value)
}

fn expiry(value: &FieldValue) -> Result<(), Refusal> {
    match not_negative(value)? {
        0..=EXPIRY_MAX_MS => Ok(()),
        longer => Err(Refusal::TooLarge(longer)),
    }
}

fn text(value: &FieldValue) -> Result<String, Refusal> {
    match value {
        FieldValue::LongString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        value => Err(Refusal::UnacceptableType(value.type_name())),
    }
}

fn one_of(value: &FieldValue, known: &[&str], refusal: Refusal) -> Result<(), Refusal> {
    if known.contains(&text(value)?.as_str()) { Ok(()) } else { Err(refusal) }
}

fn name(value: &FieldValue) -> Result<(), Refusal> {
    text(value)?;
    let name = value.as_str().and_then(|name| ShortString::new(name).ok());
    name.map(drop).ok_or(Refusal::NoName)
}
