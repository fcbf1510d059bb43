//! What is published to a queue: it takes the message, refuses it, or drops the oldest.

use std::sync::Arc;

use super::{Expires, Queue, QueueMessage, Wakeups};
use crate::model::arguments::Overflow;
use crate::model::dead_letter::DeathReason;
use crate::model::message::PublishedMessage;
use crate::model::now::Now;

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
    /// `charge` is this queue's share of its memory, in bytes.
    pub(crate) fn enqueue(
        &mut self,
        message: Arc<PublishedMessage>,
        charge: u32,
        now: &Now<'_>,
        wakeups: &mut Wakeups,
    ) -> Enqueued {
        let message = QueueMessage {
            position: self.next_position,
            expires: self.expiry_of(&message, now),
            delivery_count: 0,
            charge,
            priority: self.priority_of(&message),
            redelivered: false,
            message,
        };
        self.next_position += 1;
        self.held_bytes += u64::from(charge);
        if self.settings.overflow != Overflow::DropHead
            && self.would_overflow(message.body_len(), wakeups)
        {
            if self.settings.overflow == Overflow::RejectPublishDlx {
                self.die(message, DeathReason::MaxLen);
                return Enqueued::DeadLettered;
            }
            self.held_bytes -= u64::from(charge);
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

    /// The earlier of what the queue and the message say.
    fn expiry_of(&self, message: &PublishedMessage, now: &Now<'_>) -> Expires {
        let ttl = match (self.settings.message_ttl, message.expiration()) {
            (Some(queues), Some(own)) => queues.min(own),
            (Some(ttl), None) | (None, Some(ttl)) => ttl,
            (None, None) => return Expires::NEVER,
        };
        Expires::at(now.get().saturating_add(ttl))
    }

    fn priority_of(&self, message: &PublishedMessage) -> u8 {
        match self.settings.max_priority {
            Some(max) => message.message.properties.priority().unwrap_or(0).min(max),
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
            self.die(message, DeathReason::MaxLen);
        }
    }
}
