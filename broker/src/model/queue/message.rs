use std::sync::{Arc, LazyLock};
use std::time::Duration;

use springhare_amqp::{Message, ShortString};

use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;

/// A message's place in one queue.
///
/// It is in the queue's ready list, or with a channel that has not settled it yet: it is moved
/// between the two and never cloned, so it can be neither lost nor doubled by a mistake in
/// counting.
#[derive(Debug)]
pub(crate) struct QueueMessage {
    /// The position in the queue: a message that comes back goes to its old place.
    pub(crate) position: u64,
    /// When it expires, wherever it is then.
    pub(crate) expires: Expires,
    /// How many deliveries failed: refused with requeue, or lost with their channel.
    pub(crate) delivery_count: u32,
    /// The memory that this queue holds for it, in bytes.
    pub(crate) charge: u32,
    /// Its priority in this queue; 0 without priorities.
    pub(crate) priority: u8,
    /// Whether it was delivered before.
    pub(crate) redelivered: bool,
    /// What the journal knows it by in this queue, if it keeps it.
    pub(crate) reference: Option<Reference>,
    /// What was published, shared with the other queues that have it.
    pub(crate) message: Arc<PublishedMessage>,
}

impl QueueMessage {
    /// One without anything special.
    #[cfg(test)]
    pub(crate) fn waiting(position: u64, message: Arc<PublishedMessage>) -> Self {
        Self {
            position,
            expires: Expires::NEVER,
            delivery_count: 0,
            charge: 0,
            priority: 0,
            redelivered: false,
            reference: None,
            message,
        }
    }

    /// The same with nothing in it: all that has to be kept until a delivery of a stream is settled,
    /// since the stream keeps the message, and nobody counts the memory of another one.
    pub(crate) fn without_content(self) -> Self {
        static NOTHING: LazyLock<Arc<PublishedMessage>> = LazyLock::new(|| {
            let (exchange, routing_key) = (ShortString::EMPTY, ShortString::EMPTY);
            Arc::new(PublishedMessage::new(exchange, routing_key, Message::default()))
        });
        Self { message: Arc::clone(&NOTHING), ..self }
    }

    /// The bytes of its body.
    pub(crate) fn body_len(&self) -> u64 {
        u64::try_from(self.message.message.body.len()).unwrap_or(u64::MAX)
    }
}

/// When a message expires, in nanoseconds of the broker's clock: eight bytes, since every message
/// has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expires(u64);

impl Expires {
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// At this time of the broker's clock.
    pub(crate) fn at(time: Duration) -> Self {
        Self(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time, if there is one.
    pub(crate) fn time(self) -> Option<Duration> {
        (self != Self::NEVER).then(|| Duration::from_nanos(self.0))
    }

    /// Whether it is that late.
    pub(crate) fn is_over(self, now: Self) -> bool {
        self <= now && self != Self::NEVER
    }
}

/// Why a message comes back to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    /// Delivered and failed: `basic.reject`, or its channel or connection ended.
    Failed,
    /// Delivered, and handed back without a fault: `basic.nack`, `basic.recover`.
    HandedBack,
    /// Never reached the application.
    Undelivered,
}
