use bytes::Bytes;
use springhare_amqp::ShortString;

use crate::model::ids::QueueId;
use crate::model::stored::{Place, Reference};

/// A definition that was alive when the broker stopped, as the engine had encoded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveredDefinition {
    pub(crate) reference: Reference,
    pub(crate) content: Bytes,
}

/// A message that was alive in a queue when the broker stopped; its content is still on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveredMessage {
    /// The queue, which may have been deleted since.
    pub(crate) queue: QueueId,
    pub(crate) reference: Reference,
    pub(crate) place: Place,
    /// The bytes of its body.
    pub(crate) body_len: u32,
    /// When it was published, in milliseconds since 1970.
    pub(crate) published_at: u64,
    /// What the message says of how long it lives, in milliseconds.
    pub(crate) expiration: Option<u64>,
    /// What the message says of its priority.
    pub(crate) priority: u8,
    /// How many deliveries failed.
    pub(crate) delivery_count: u32,
    /// Whether it was delivered before, or may have been.
    pub(crate) redelivered: bool,
    /// When it is tried again, in milliseconds since 1970, if it waits for that.
    pub(crate) retry_at: Option<u64>,
}

/// A message that waited at a delayed exchange when the broker stopped; its content is still on the
/// disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecoveredDelayed {
    pub(crate) reference: Reference,
    pub(crate) virtual_host: ShortString,
    pub(crate) exchange: ShortString,
    /// When it is routed, in milliseconds since 1970.
    pub(crate) due: u64,
    pub(crate) place: Place,
    /// The bytes of its body.
    pub(crate) body_len: u64,
}

/// What a broker found in its data folder when it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Whether the broker had been stopped in order.
    pub was_clean: bool,
    /// The number of segments that were read; 0 for a new folder.
    pub segments: u64,
    /// Messages in queues and at delayed exchanges that are alive.
    pub messages: u64,
    /// Bytes that were cut off the end: a write that was not finished.
    pub torn_bytes: u64,
    /// What was damaged and is kept in quarantine: file, bytes and what is wrong with them.
    pub damages: Vec<String>,
}
