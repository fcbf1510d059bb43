//! Dead letters: what is published in the stead of a message that died.

mod writer;

use smallvec::SmallVec;
use springhare_amqp::{FieldTable, FieldValue, ShortString};

pub(crate) use self::writer::{DeadLetterWriter, LastLetter};
use super::message::PublishedMessage;

const X_DEATH: &str = "x-death";

/// The headers that tell of deaths.
const DEATH_HEADERS: [&str; 7] = [
    X_DEATH,
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
];

/// In how many queues, or for how many reasons in a queue, a message may die: each makes its
/// headers longer, and these have to fit a frame.
const DEATHS_MAX: usize = 256;

/// Why a message is dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeathReason {
    /// Refused without requeue.
    Rejected,
    /// It waited too long.
    Expired,
    /// Its queue was too long.
    MaxLen,
    /// Too many deliveries failed.
    DeliveryLimit,
}

impl DeathReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLen => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// A death: where, why, when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death<'a> {
    pub(crate) queue: &'a ShortString,
    pub(crate) reason: DeathReason,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) time: u64,
}

/// Where a queue sends its dead letters: `x-dead-letter-exchange` and `-routing-key`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeadLetterRoute<'a> {
    pub(crate) exchange: &'a ShortString,
    /// None keeps the key that the message was published with.
    pub(crate) routing_key: Option<&'a ShortString>,
}

/// The message that is published in a dead one's stead, and where it has died.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) message: PublishedMessage,
    pub(crate) deaths: Deaths,
}

/// Where a message has died, the last death first.
#[derive(Debug)]
pub(crate) struct Deaths(SmallVec<[PastDeath; 1]>);

/// A death that the message tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PastDeath {
    queue: ShortString,
    was_rejected: bool,
}

impl Deaths {
    /// Whether they are more than the message can tell of. RabbitMQ has no such limit, and
    /// breaks where the headers are longer than a frame.
    pub(crate) fn are_too_many(&self) -> bool {
        self.0.len() > DEATHS_MAX
    }

    /// Whether the message would go round for ever if it went to this queue: it was there before,
    /// and nobody rejected it since. RabbitMQ drops such messages.
    pub(crate) fn is_cycle(&self, target: &str) -> bool {
        let Some(last) = self.0.iter().position(|death| death.queue == *target) else {
            return false;
        };
        !self.0.iter().take(last + 1).any(|death| death.was_rejected)
    }
}

/// Counts the death in the entry of its queue and reason, which goes to the front, or adds one.
fn add_death(
    mut deaths: Vec<FieldValue>,
    dead: &PublishedMessage,
    death: Death<'_>,
    expiration: Option<ShortString>,
) -> Vec<FieldValue> {
    let same = deaths.iter().position(|entry| is_death(entry, death));
    let entry = match same.map(|at| deaths.remove(at)) {
        Some(FieldValue::Table(mut entry)) => {
            let count = entry.get("count").and_then(FieldValue::as_i64).unwrap_or(0);
            entry.set(ShortString::from_static("count"), count.saturating_add(1));
            entry
        }
        _ => new_death(dead, death, expiration),
    };
    deaths.insert(0, FieldValue::Table(entry));
    deaths
}

fn is_death(entry: &FieldValue, death: Death<'_>) -> bool {
    let FieldValue::Table(entry) = entry else { return false };
    let text = |name| entry.get(name).and_then(FieldValue::as_str);
    text("queue") == Some(death.queue) && text("reason") == Some(death.reason.as_str())
}

fn new_death(
    dead: &PublishedMessage,
    death: Death<'_>,
    expiration: Option<ShortString>,
) -> FieldTable {
    let mut entry: FieldTable = [
        (ShortString::from_static("count"), FieldValue::I64(1)),
        (ShortString::from_static("reason"), death.reason.as_str().into()),
        (ShortString::from_static("queue"), death.queue.clone().into()),
        (ShortString::from_static("time"), FieldValue::Timestamp(death.time)),
        (ShortString::from_static("exchange"), dead.exchange.clone().into()),
        (
            ShortString::from_static("routing-keys"),
            dead.open_routing_keys().collect::<Vec<_>>().into(),
        ),
    ]
    .into_iter()
    .collect();
    if let Some(expiration) = expiration {
        entry.set(ShortString::from_static("original-expiration"), expiration);
    }
    entry
}

#[cfg(test)]
mod tests {
    use springhare_amqp::Message;

    use super::*;

    fn die(message: &PublishedMessage, queue: &str) -> PublishedMessage {
        let queue = ShortString::new(queue).unwrap();
        let exchange = ShortString::from_static("dlx");
        let route = DeadLetterRoute { exchange: &exchange, routing_key: None };
        DeadLetterWriter::new(&queue, 7, route, None).write(message, DeathReason::Rejected).message
    }

    fn first() -> PublishedMessage {
        let mut message = Message::new("m");
        message.properties.expiration = Some(ShortString::from_static("60000"));
        PublishedMessage::new(ShortString::from_static("x"), ShortString::from_static("k"), message)
    }

    fn deaths(message: &PublishedMessage) -> Vec<(String, i64)> {
        let Some(FieldValue::Array(deaths)) = message.message.properties.header("x-death") else {
            panic!("no x-death: {message:?}");
        };
        let entry = |value: &FieldValue| {
            let FieldValue::Table(entry) = value else { panic!("no table") };
            let queue = entry.get("queue").and_then(FieldValue::as_str).unwrap().to_owned();
            (queue, entry.get("count").and_then(FieldValue::as_i64).unwrap())
        };
        deaths.iter().map(entry).collect()
    }

    #[test]
    fn the_first_death_is_told_and_the_expiration_taken_away() {
        let dead = die(&first(), "q");
        let properties = &dead.message.properties;
        assert_eq!(properties.expiration, None);
        for (header, value) in [
            ("x-first-death-reason", "rejected"),
            ("x-first-death-queue", "q"),
            ("x-first-death-exchange", "x"),
        ] {
            assert_eq!(properties.header(header).and_then(FieldValue::as_str), Some(value));
        }
        let Some(FieldValue::Array(entries)) = properties.header("x-death") else { panic!() };
        let Some(FieldValue::Table(entry)) = entries.first() else { panic!() };
        assert_eq!(entry.get("original-expiration").and_then(FieldValue::as_str), Some("60000"));
        assert_eq!((dead.exchange.as_str(), dead.routing_key.as_str()), ("dlx", "k"));
    }

    #[test]
    fn deaths_in_the_same_queue_are_counted_and_the_newest_comes_first() {
        let once = die(&first(), "a");
        let twice = die(&once, "b");
        assert_eq!(deaths(&twice), [("b".into(), 1), ("a".into(), 1)]);
        assert_eq!(deaths(&die(&twice, "a")), [("a".into(), 2), ("b".into(), 1)]);
    }
}
