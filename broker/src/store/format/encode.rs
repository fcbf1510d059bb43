//! Writes records, each as a frame that is still to be [sealed](super::frame::seal_frames_with). All
//! return the length of the frame.

use super::frame::{Flags, Frame, put_frame};
use super::message::{copies_flag, put_content, put_queues, put_read_content};
use super::record::{Kind, MessageRecord, ReturnedRecord};
use super::references::put_references;
use super::varint::{put_bytes, put_varint};
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;

/// References in a record that settles; more are several records.
pub(crate) const SETTLE_REFERENCES_MAX: usize = 1 << 16;

/// What is said of a message beside its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageEnvelope<'a> {
    /// Its reference in the first queue, from which the others count up by ones.
    pub(crate) first: Reference,
    /// In milliseconds since 1970.
    pub(crate) published_at: u64,
    /// What is settled by it.
    pub(crate) replaces: &'a [Reference],
}

/// A message.
pub(crate) fn put_message(
    out: &mut Vec<u8>,
    envelope: MessageEnvelope<'_>,
    queues: &[QueueId],
    message: &PublishedMessage,
) -> usize {
    let MessageEnvelope { first, published_at, replaces } = envelope;
    let mut flags = copies_flag(message);
    if !replaces.is_empty() {
        flags = flags.with(Flags::REPLACES);
    }
    put_frame(out, Kind::Message.number(), flags, |out| {
        out.extend_from_slice(&first.number().to_le_bytes());
        put_varint(out, published_at);
        put_varint(out, queues.len() as u64);
        queues.iter().for_each(|queue| put_varint(out, queue.0));
        if !replaces.is_empty() {
            let mut runs = Vec::new();
            put_references(&mut runs, first.number(), replaces.iter().copied());
            put_bytes(out, &runs);
        }
        put_content(out, message);
    })
}

/// A message of an older segment, for those of its queues in which it is alive. What it had settled
/// is not repeated.
pub(crate) fn put_moved_message(
    out: &mut Vec<u8>,
    record: &MessageRecord<'_>,
    alive: &[(QueueId, Reference)],
) -> usize {
    let has_copies = record.content.copies.keys().next().is_some();
    let copies = if has_copies { Flags::COPIES } else { Flags::NONE };
    let flags = Flags::MOVED.with(Flags::SPARSE).with(copies);
    put_frame(out, Kind::Message.number(), flags, |out| {
        out.extend_from_slice(&record.first.number().to_le_bytes());
        put_varint(out, record.published_at);
        put_queues(out, record.first, flags, alive.len() as u64, alive.iter().copied());
        put_read_content(out, record.content);
    })
}

/// Any other record of an older segment, as it is: one that has a reference of its own.
pub(crate) fn put_moved(out: &mut Vec<u8>, frame: &Frame<'_>) -> usize {
    let flags = frame.flags.with(Flags::MOVED).without(Flags::MORE).without(Flags::CONTINUES);
    put_frame(out, frame.kind, flags, |out| out.extend_from_slice(frame.payload))
}

/// A message that waits at a delayed exchange until `due`, in milliseconds since 1970.
pub(crate) fn put_delayed(
    out: &mut Vec<u8>,
    reference: Reference,
    due: u64,
    (virtual_host, exchange): (&str, &str),
    message: &PublishedMessage,
) -> usize {
    put_frame(out, Kind::Delayed.number(), copies_flag(message), |out| {
        out.extend_from_slice(&reference.number().to_le_bytes());
        put_varint(out, due);
        put_bytes(out, virtual_host.as_bytes());
        put_bytes(out, exchange.as_bytes());
        put_content(out, message);
    })
}

/// A definition, as the engine has encoded it.
pub(crate) fn put_definition(out: &mut Vec<u8>, reference: Reference, content: &[u8]) -> usize {
    put_frame(out, Kind::Definition.number(), Flags::NONE, |out| {
        out.extend_from_slice(&reference.number().to_le_bytes());
        out.extend_from_slice(content);
    })
}

/// These are done with: at least one, and at most [`SETTLE_REFERENCES_MAX`].
pub(crate) fn put_settle(out: &mut Vec<u8>, references: &[Reference]) -> usize {
    let base = references.first().map_or(1, |first| first.number());
    put_frame(out, Kind::Settle.number(), Flags::NONE, |out| {
        out.extend_from_slice(&base.to_le_bytes());
        put_references(out, base, references.iter().copied());
    })
}

/// A message has come back to its queue.
pub(crate) fn put_returned(out: &mut Vec<u8>, returned: ReturnedRecord) -> usize {
    put_returned_flagged(out, returned, Flags::NONE)
}

/// What is known of a message of an older segment that has come back.
pub(crate) fn put_moved_returned(out: &mut Vec<u8>, returned: ReturnedRecord) -> usize {
    put_returned_flagged(out, returned, Flags::MOVED)
}

fn put_returned_flagged(out: &mut Vec<u8>, returned: ReturnedRecord, flags: Flags) -> usize {
    put_frame(out, Kind::Returned.number(), flags, |out| {
        out.extend_from_slice(&returned.reference.number().to_le_bytes());
        put_varint(out, u64::from(returned.delivery_count));
        put_varint(out, returned.retry_at.map_or(0, |at| at.saturating_add(1)));
    })
}

/// So far this segment is synced.
pub(crate) fn put_synced_to(out: &mut Vec<u8>, offset: u32) -> usize {
    put_frame(out, Kind::SyncedTo.number(), Flags::NONE, |out| {
        out.extend_from_slice(&offset.to_le_bytes());
    })
}

/// That segment's file is removed as soon as this is synced.
pub(crate) fn put_removed(out: &mut Vec<u8>, segment: u32) -> usize {
    put_frame(out, Kind::Removed.number(), Flags::NONE, |out| {
        out.extend_from_slice(&segment.to_le_bytes());
    })
}

/// The end of what an orderly stop leaves: what has a reference below may have been delivered.
pub(crate) fn put_clean(out: &mut Vec<u8>, delivered_below: u64) -> usize {
    put_frame(out, Kind::Clean.number(), Flags::NONE, |out| {
        out.extend_from_slice(&delivered_below.to_le_bytes());
    })
}
