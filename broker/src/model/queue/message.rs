use std::sync::Arc;

use crate::model::message::PublishedMessage;

/// A message's place in one queue.
///
/// It is in the queue's ready list, or with a channel that has not settled it yet: it is moved
/// between the two and never cloned, so it can be neither lost nor doubled by a mistake in
/// counting.
#[derive(Debug)]
pub(crate) struct QueueMessage {
    /// The position in the queue: a message that comes back goes to its old place.
    pub(crate) position: u64,
    /// How many deliveries failed: refused with requeue, or lost with their channel.
    pub(crate) delivery_count: u32,
    /// Whether it was delivered before.
    pub(crate) redelivered: bool,
    /// The memory that this queue holds for it, in bytes.
    pub(crate) charge: u32,
    /// What was published, shared with the other queues that have it.
    pub(crate) message: Arc<PublishedMessage>,
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
