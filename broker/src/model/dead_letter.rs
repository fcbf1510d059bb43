use springhare_amqp::{FieldTable, FieldValue, ShortString};

use super::message::PublishedMessage;

const X_DEATH: &str = "x-death";

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

/// The message that is published in a dead one's stead: RabbitMQ's `x-death`,
/// `x-first-death-*` and (4.0) `x-last-death-*` headers, no expiration any more, and no `CC` if the
/// queue has a key for its dead letters.
pub(crate) fn dead_letter(
    dead: &PublishedMessage,
    death: Death<'_>,
    route: DeadLetterRoute<'_>,
) -> PublishedMessage {
    let mut message = dead.message.clone();
    let expiration = message.properties.expiration.take();
    let headers = message.properties.headers.get_or_insert_default();
    if route.routing_key.is_some() {
        headers.remove("CC");
    }
    let known = headers.remove(X_DEATH);
    let is_first = known.is_none();
    let deaths = match known {
        Some(FieldValue::Array(deaths)) => deaths,
        _ => Vec::new(),
    };
    let deaths = add_death(deaths, dead, death, expiration);
    headers.set(ShortString::from_static(X_DEATH), FieldValue::Array(deaths));
    let set = |headers: &mut FieldTable, name, value: &str| {
        headers.set(ShortString::from_static(name), value);
    };
    if is_first {
        set(headers, "x-first-death-exchange", &dead.exchange);
        set(headers, "x-first-death-queue", death.queue);
        set(headers, "x-first-death-reason", death.reason.as_str());
    }
    set(headers, "x-last-death-exchange", &dead.exchange);
    set(headers, "x-last-death-queue", death.queue);
    set(headers, "x-last-death-reason", death.reason.as_str());
    message.properties.compact();
    let exchange = route.exchange.clone();
    match route.routing_key {
        Some(routing_key) => PublishedMessage::new(exchange, routing_key.clone(), message),
        None => PublishedMessage::new(exchange, dead.routing_key.clone(), message)
            .with_copies(dead.shared_copies()),
    }
}

/// Whether a dead letter has died in more queues than it can tell of. RabbitMQ has no such limit,
/// and breaks where the headers are longer than a frame.
pub(crate) fn has_died_too_often(letter: &PublishedMessage) -> bool {
    match letter.message.properties.header(X_DEATH) {
        Some(FieldValue::Array(deaths)) => deaths.len() > DEATHS_MAX,
        _ => false,
    }
}

/// Whether a dead letter that goes to `target` would go round for ever: it was there before, and
/// nobody rejected it since. RabbitMQ drops such messages.
pub(crate) fn is_cycle(letter: &PublishedMessage, target: &str) -> bool {
    let Some(FieldValue::Array(deaths)) = letter.message.properties.header(X_DEATH) else {
        return false;
    };
    let text = |death: &FieldValue, name: &str, value: &str| match death {
        FieldValue::Table(death) => death.get(name).and_then(FieldValue::as_str) == Some(value),
        _ => false,
    };
    let Some(last) = deaths.iter().position(|death| text(death, "queue", target)) else {
        return false;
    };
    let since = deaths.iter().take(last + 1);
    !since.into_iter().any(|death| text(death, "reason", DeathReason::Rejected.as_str()))
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
        let death = Death { queue: &queue, reason: DeathReason::Rejected, time: 7 };
        let exchange = ShortString::from_static("dlx");
        dead_letter(message, death, DeadLetterRoute { exchange: &exchange, routing_key: None })
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
