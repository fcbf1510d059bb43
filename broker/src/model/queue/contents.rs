//! What is in a queue, for tests of who has one.

use super::message::Expires;
use super::run::ColdMessage;
use super::{Queue, QueueMessage};
use crate::model::stored::Reference;

/// A message in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) priority: u8,
    pub(crate) position: u64,
    pub(crate) reference: Option<Reference>,
    pub(crate) expires: Expires,
    pub(crate) delivery_count: u32,
    pub(crate) redelivered: bool,
    pub(crate) is_ready: bool,
}

impl Content {
    pub(super) fn of(message: &QueueMessage) -> Self {
        Self {
            priority: message.priority,
            position: message.position,
            reference: message.reference,
            expires: message.expires,
            delivery_count: message.delivery_count,
            redelivered: message.redelivered,
            is_ready: true,
        }
    }

    pub(super) fn of_cold(message: &ColdMessage) -> Self {
        Self {
            priority: message.priority,
            position: message.position,
            reference: Some(message.reference),
            expires: message.expires,
            delivery_count: message.delivery_count,
            redelivered: message.redelivered,
            is_ready: true,
        }
    }
}

impl Queue {
    /// What is ready, in its order, and then what waits for another try or is dead and still here.
    pub(crate) fn contents(&self) -> Vec<Content> {
        let delayed = self.delayed.contents().into_iter();
        let dead = self.dead.messages().map(Content::of);
        let others = delayed.chain(dead).map(|content| Content { is_ready: false, ..content });
        self.ready.contents().into_iter().chain(others).collect()
    }
}
