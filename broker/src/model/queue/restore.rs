//! What was in a queue before the broker was started.

use std::time::Duration;

use super::Queue;
use super::message::Expires;
use super::run::ColdMessage;
use super::shelf::Shelved;
use crate::model::stored::{Place, Reference};

/// A message that was in the queue, as the journal knows it without its content. Times are since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RestoredMessage {
    pub(crate) reference: Reference,
    pub(crate) place: Place,
    pub(crate) body_len: u64,
    pub(crate) published_at: Duration,
    /// What the message says of how long it lives.
    pub(crate) expiration: Option<Duration>,
    /// What the message says of its priority.
    pub(crate) priority: u8,
    pub(crate) delivery_count: u32,
    pub(crate) redelivered: bool,
}

impl Queue {
    /// Puts a message to where it was, without its content. They may come in any order, and
    /// [`restored`](Self::restored) is to follow before anything else. `epoch` is the time since 1970
    /// at the start of the clock.
    ///
    /// Its reference is its position from now on: they come in the same order.
    pub(crate) fn restore(&mut self, message: &RestoredMessage, epoch: Duration) {
        let cold = self.cold_of(message, epoch);
        self.ready.restore(&cold);
    }

    /// The same for a message that waits for another try until `due`, a time of the clock.
    pub(crate) fn restore_delayed(
        &mut self,
        message: &RestoredMessage,
        epoch: Duration,
        due: Duration,
    ) {
        let cold = self.cold_of(message, epoch);
        self.delayed.insert(due, Shelved::Cold(cold));
    }

    fn cold_of(&mut self, message: &RestoredMessage, epoch: Duration) -> ColdMessage {
        let position = message.reference.number();
        self.next_position = self.next_position.max(position.saturating_add(1));
        let lives = self.time_to_live(message.expiration);
        let expires =
            lives.map(|lives| message.published_at.saturating_add(lives).saturating_sub(epoch));
        ColdMessage {
            position,
            reference: message.reference,
            segment: message.place.segment,
            offset: message.place.offset,
            expires: expires.map_or(Expires::NEVER, Expires::at),
            delivery_count: message.delivery_count,
            redelivered: message.redelivered,
            priority: self.priority_of(|| Some(message.priority)),
            body_len: message.body_len,
        }
    }

    /// All that was in the queue is there again; what is too much for it by now dies.
    pub(crate) fn restored(&mut self) {
        self.ready.restored();
        self.drop_oldest();
    }
}
