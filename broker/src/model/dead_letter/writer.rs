use smallvec::{SmallVec, smallvec};
use springhare_amqp::{
    FieldTable, FieldValue, HeaderEntries, Message, MessageProperties, ShortString,
};

use super::{
    DEATH_HEADERS, DeadLetter, DeadLetterRoute, Death, DeathReason, Deaths, PastDeath, X_DEATH,
    add_death,
};
use crate::model::message::PublishedMessage;

/// How many bytes of properties a letter may have that a queue keeps for the next.
const LAST_LETTER_MAX_BYTES: usize = 1 << 10;

/// Writes the dead letters of one queue, one after the other: RabbitMQ's `x-death`,
/// `x-first-death-*` and (4.0) `x-last-death-*` headers, no expiration any more, and no `CC` if the
/// queue has a key for its dead letters.
///
/// Most that die together die for the first time and came the same way: what is told of them is the
/// same, and is encoded once.
#[derive(Debug)]
pub(crate) struct DeadLetterWriter<'q> {
    queue: &'q ShortString,
    time: u64,
    route: DeadLetterRoute<'q>,
    last: Option<Box<LastLetter>>,
}

/// The first death of a message, and what it made of its properties: mostly the same is to be
/// written for the next one.
#[derive(Debug)]
pub(crate) struct LastLetter {
    time: u64,
    reason: DeathReason,
    exchange: ShortString,
    routing_key: ShortString,
    expiration: Option<ShortString>,
    entries: HeaderEntries,
    alive: MessageProperties,
    dead: MessageProperties,
}

impl<'q> DeadLetterWriter<'q> {
    /// For messages that die in `queue`, `time` seconds after 1970-01-01 UTC. `last` is the last
    /// letter of this queue, if it is [kept](Self::into_last).
    pub(crate) fn new(
        queue: &'q ShortString,
        time: u64,
        route: DeadLetterRoute<'q>,
        last: Option<Box<LastLetter>>,
    ) -> Self {
        Self { queue, time, route, last: last.filter(|last| last.time == time) }
    }

    /// What the next writer of this queue may use again.
    ///
    /// Nobody counts its memory, so it is kept only if it is small.
    pub(crate) fn into_last(self) -> Option<Box<LastLetter>> {
        self.last.filter(|last| last.dead.encoded_len() <= LAST_LETTER_MAX_BYTES)
    }

    /// The letter for one dead message.
    pub(crate) fn write(&mut self, dead: &PublishedMessage, reason: DeathReason) -> DeadLetter {
        let has_died = dead.message.properties.has_any_header(&DEATH_HEADERS);
        if has_died || !dead.copies().is_empty() {
            return self.write_again(dead, reason);
        }
        let properties = match &self.last {
            Some(last) if last.is_like(dead, reason) => {
                if last.alive.is_same(&dead.message.properties) {
                    last.dead.clone()
                } else {
                    self.write_first(dead, reason)
                }
            }
            _ => {
                self.last = None;
                self.write_first(dead, reason)
            }
        };
        let was_rejected = reason == DeathReason::Rejected;
        DeadLetter {
            message: self.letter(dead, properties),
            deaths: Deaths(smallvec![PastDeath { queue: self.queue.clone(), was_rejected }]),
        }
    }

    /// The properties of a message that dies for the first time, with the headers of the last one
    /// where these say the same.
    fn write_first(&mut self, dead: &PublishedMessage, reason: DeathReason) -> MessageProperties {
        let mut properties = dead.message.properties.clone();
        let expiration = properties.take_expiration();
        let known = self.last.take().filter(|last| last.expiration == expiration);
        let entries = match known {
            Some(last) => last.entries,
            None => {
                let mut headers = FieldTable::new();
                let death = self.death(reason);
                let deaths = add_death(Vec::new(), dead, death, expiration.clone());
                headers.set(ShortString::from_static(X_DEATH), FieldValue::Array(deaths));
                tell_death(&mut headers, Told::First, dead, death);
                tell_death(&mut headers, Told::Last, dead, death);
                HeaderEntries::encode(headers)
            }
        };
        properties.add_headers(&entries);
        self.last = Some(Box::new(LastLetter {
            time: self.time,
            reason,
            exchange: dead.exchange.clone(),
            routing_key: dead.routing_key.clone(),
            expiration,
            entries,
            alive: dead.message.properties.clone(),
            dead: properties.clone(),
        }));
        properties
    }

    /// A message that tells of deaths already, or has copies.
    fn write_again(&self, dead: &PublishedMessage, reason: DeathReason) -> DeadLetter {
        let death = self.death(reason);
        let mut properties = dead.message.properties.clone();
        let expiration = properties.expiration.take();
        let headers = properties.headers.get_or_insert_default();
        if self.route.routing_key.is_some() {
            headers.remove("CC");
        }
        let known = headers.remove(X_DEATH);
        if known.is_none() {
            tell_death(headers, Told::First, dead, death);
        }
        tell_death(headers, Told::Last, dead, death);
        let deaths = match known {
            Some(FieldValue::Array(deaths)) => deaths,
            _ => Vec::new(),
        };
        let deaths = add_death(deaths, dead, death, expiration);
        let past: SmallVec<[PastDeath; 1]> = deaths.iter().map(past_death).collect();
        headers.set(ShortString::from_static(X_DEATH), FieldValue::Array(deaths));
        properties.compact();
        DeadLetter { message: self.letter(dead, properties), deaths: Deaths(past) }
    }

    fn death(&self, reason: DeathReason) -> Death<'q> {
        Death { queue: self.queue, reason, time: self.time }
    }

    fn letter(&self, dead: &PublishedMessage, properties: MessageProperties) -> PublishedMessage {
        let message = Message { properties, body: dead.message.body.clone() };
        let exchange = self.route.exchange.clone();
        match self.route.routing_key {
            Some(routing_key) => PublishedMessage::new(exchange, routing_key.clone(), message),
            None => PublishedMessage::new(exchange, dead.routing_key.clone(), message)
                .with_copies(dead.shared_copies()),
        }
    }
}

impl LastLetter {
    /// Whether the headers of `dead` say the same, as far as its way in goes.
    fn is_like(&self, dead: &PublishedMessage, reason: DeathReason) -> bool {
        self.reason == reason
            && self.routing_key == dead.routing_key
            && self.exchange == dead.exchange
    }
}

/// Which death some headers tell of.
#[derive(Clone, Copy)]
enum Told {
    First,
    Last,
}

fn tell_death(headers: &mut FieldTable, which: Told, dead: &PublishedMessage, death: Death<'_>) {
    let [exchange, queue, reason] = match which {
        Told::First => ["x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"],
        Told::Last => ["x-last-death-exchange", "x-last-death-queue", "x-last-death-reason"],
    };
    headers.set(ShortString::from_static(exchange), dead.exchange.as_str());
    headers.set(ShortString::from_static(queue), death.queue.as_str());
    headers.set(ShortString::from_static(reason), death.reason.as_str());
}

fn past_death(entry: &FieldValue) -> PastDeath {
    let text = |name| match entry {
        FieldValue::Table(entry) => entry.get(name).and_then(FieldValue::as_str),
        _ => None,
    };
    PastDeath {
        queue: ShortString::truncated(text("queue").unwrap_or_default()),
        was_rejected: text("reason") == Some(DeathReason::Rejected.as_str()),
    }
}
