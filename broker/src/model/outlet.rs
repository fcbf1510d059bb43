use std::fmt::Debug;

use super::ids::ConsumerId;
use super::queue::Ready;

/// Where a queue puts the messages of one consumer: the door between the pure queue and the
/// engine's outbox.
///
/// A queue calls [`offer`](Self::offer) while it is being changed, so it must neither block nor
/// call back. What may wait is done by [`wake`](Self::wake), which the engine calls after it let
/// go of the queue.
pub(crate) trait Outlet: Debug + Send + Sync {
    /// Takes ready messages, in their order and `max` at the most, while there is room for them.
    fn offer(&self, ready: &mut Ready, max: usize) -> Offered;

    /// Wakes who reads from this outlet.
    fn wake(&self);

    /// The broker ends the consumer: its queue is gone.
    fn cancelled(&self, consumer: ConsumerId);
}

/// What an outlet took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offered {
    /// How many messages; fewer than were there and allowed, when there is no more room.
    pub(crate) taken: usize,
    /// The memory that the queue held for them, in bytes.
    pub(crate) charge: u64,
    pub(crate) reader: Reader,
}

/// Whether the reader of an outlet has to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// It is awake, or will be woken already.
    Awake,
    /// It sleeps: wake it once the queue is let go.
    Asleep,
}
