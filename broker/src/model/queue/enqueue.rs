//! What is published to a queue: it takes the message, refuses it, or drops the oldest.

use std::sync::Arc;
use std::time::Duration;

use super::{Expires, Queue, QueueMessage, Wakeups};
use crate::model::arguments::Overflow;
use crate::model::dead_letter::DeathReason;
use crate::model::message::PublishedMessage;
use crate::model::now::Now;
use crate::model::stored::Reference;

/// Whether a queue takes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the publisher is to hear of a refusal"]
pub(crate) enum Enqueued {
    Taken,
    /// It is full, and refuses what is published to it then.
    Refused,
    /// The same, and the message is a dead letter.
    DeadLettered,
}

impl Queue {
    /// Puts a message at the end, or refuses it, or drops the oldest, as the queue's limits say.
    /// `charge` is this queue's share of its memory, in bytes, and `reference` what the journal knows it
    /// by, if it keeps it.
    pub(crate) fn enqueue(
        &mut self,
        message: Arc<PublishedMessage>,
        charge: u32,
        reference: Option<Reference>,
        now: &Now<'_>,
        wakeups: &mut Wakeups,
    ) -> Enqueued {
        let message = QueueMessage {
            position: self.next_position,
            expires: self.expiry_of(&message, now),
            delivery_count: 0,
            charge,
            priority: self.priority_of(|| message.message.properties.priority()),
            redelivered: false,
            reference,
            message,
        };
        self.next_position += 1;
        if self.settings.overflow != Overflow::DropHead
            && self.would_overflow(message.body_len(), wakeups)
        {
            if self.settings.overflow == Overflow::RejectPublishDlx {
                self.take_leave(message, DeathReason::MaxLen);
                return Enqueued::DeadLettered;
            }
            self.changes.settled.add(reference);
            return Enqueued::Refused;
        }
        let is_mortal = message.expires != Expires::NEVER;
        if is_mortal {
            self.hand_out(wakeups);
        }
        let is_first = self.ready.is_empty();
        self.ready.push_back(message);
        if is_mortal && is_first {
            // Who waits for it may have it even if it does not live a moment.
            self.ready.set_now(None);
            self.hand_out(wakeups);
        }
        if self.is_too_long() {
            self.hand_out(wakeups);
            self.drop_excess();
        }
        if is_mortal {
            self.ready.set_now(Some(now.get()));
        }
        Enqueued::Taken
    }

    fn expiry_of(&self, message: &PublishedMessage, now: &Now<'_>) -> Expires {
        let lives = self.time_to_live(message.expiration());
        lives.map_or(Expires::NEVER, |lives| Expires::at(now.get().saturating_add(lives)))
    }

    /// The earlier of what the queue and the message say.
    pub(super) fn time_to_live(&self, own: Option<Duration>) -> Option<Duration> {
        match (self.settings.message_ttl, own) {
            (Some(queues), Some(own)) => Some(queues.min(own)),
            (queues, own) => queues.or(own),
        }
    }

    /// What the message says of its priority, as far as the queue has any.
    pub(super) fn priority_of(&self, own: impl FnOnce() -> Option<u8>) -> u8 {
        match self.settings.max_priority {
            Some(max) => own().unwrap_or(0).min(max),
            None => 0,
        }
    }

    /// Whether a message with a body of so many bytes is too much, even once the consumers have
    /// what they may have.
    fn would_overflow(&mut self, body_len: u64, wakeups: &mut Wakeups) -> bool {
        let exceeds = |queue: &Self| {
            let bytes = queue.ready.body_bytes() + body_len;
            queue.settings.limits.exceeded(queue.ready.len() + 1, bytes)
        };
        exceeds(self) && {
            self.hand_out(wakeups);
            exceeds(self)
        }
    }

    fn is_too_long(&self) -> bool {
        self.settings.limits.exceeded(self.ready.len(), self.ready.body_bytes())
    }

    /// What is too much dies without a publish, but not in a queue that refuses new messages: that
    /// keeps those it has.
    pub(super) fn drop_oldest(&mut self) {
        if self.settings.overflow == Overflow::DropHead {
            self.drop_excess();
        }
    }

    /// The oldest die until the rest is as short as the queue may be.
    fn drop_excess(&mut self) {
        while self.is_too_long() {
            let Some(message) = self.ready.pop_any() else { return };
            self.take_leave(message, DeathReason::MaxLen);
        }
    }
}
