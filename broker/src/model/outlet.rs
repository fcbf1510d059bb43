use std::fmt::Debug;

use super::ids::ConsumerId;
use super::queue::QueueMessage;

/// Where a queue puts the messages of one consumer: the door between the pure queue and the
/// engine's outbox.
///
/// A queue calls [`offer`](Self::offer) while it is being changed, so it must neither block nor
/// call back. What may wait is done by [`wake`](Self::wake), which the engine calls after it let
/// go of the queue.
pub(crate) trait Outlet: Debug + Send + Sync {
    /// Takes the message, or hands it back when there is no room for it now.
    fn offer(&self, message: QueueMessage) -> Result<Offered, QueueMessage>;

    /// Wakes who reads from this outlet.
    fn wake(&self);

    /// The broker ends the consumer: its queue is gone.
    fn cancelled(&self, consumer: ConsumerId);
}

/// What an outlet that took a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// The reader is awake, or will be woken already.
    Quietly,
    /// The reader sleeps: wake it once the queue is let go.
    WakeReader,
}
