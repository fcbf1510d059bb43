//! What the journal has to know of a stream beside its messages.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use springhare_amqp::wire::encode_table;
use springhare_amqp::{FieldTable, FieldValue, ShortString};

use crate::model::ids::QueueId;
use crate::model::queue::SettledReferences;
use crate::model::stored::Reference;
use crate::store::Journal;

/// The kind of the definition that says with which offset a stream begins.
pub(crate) const STREAM_START: &str = "stream_start";

/// How many messages are settled together when a stream drops its front.
const DROPPED_AT_ONCE_MAX: usize = 4_096;

/// A stream as the journal sees it.
///
/// An offset is kept nowhere: it is counted from the first message that is alive, by references, and
/// what that one's is says a definition that is replaced when the stream drops messages. So the order of
/// references has to be that of offsets.
#[derive(Debug, Default)]
pub(super) struct StreamJournal {
    /// Held from the append to the journal to that to the stream.
    order: Mutex<()>,
    start: Mutex<Start>,
}

/// Where the stream begins, as the journal has it.
#[derive(Debug, Default)]
struct Start {
    offset: u64,
    /// Its definition, if there is one.
    reference: Option<Reference>,
}

impl StreamJournal {
    /// Nobody else puts messages to the stream's end meanwhile. Who needs several streams takes
    /// them in the order of their queues' numbers.
    pub(super) fn lock_order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The journal had this definition of where the stream begins.
    pub(super) fn restore(&self, journal: &Journal, reference: Reference, offset: u64) {
        let mut start = self.lock_start();
        let other = Start { offset, reference: Some(reference) };
        // There may be two, where the broker ended between writing the one and the other.
        let is_later = start.reference.is_none() || offset >= start.offset;
        let past = if is_later { std::mem::replace(&mut *start, other) } else { other };
        if let Some(past) = past.reference {
            journal.settle(&[past]);
        }
    }

    /// The offset with which the stream begins.
    pub(super) fn start(&self) -> u64 {
        self.lock_start().offset
    }

    /// The stream has dropped its front, and begins with this offset now.
    pub(super) fn dropped(
        &self,
        journal: &Journal,
        queue: QueueId,
        dropped: SettledReferences,
        offset: u64,
    ) {
        let mut start = self.lock_start();
        let mut left = u64::try_from(dropped.len()).unwrap_or(u64::MAX);
        dropped.in_pieces(DROPPED_AT_ONCE_MAX, |piece| {
            left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            let begins_at = offset.saturating_sub(left);
            // Who dropped what comes later may have been faster.
            if begins_at <= start.offset {
                journal.settle(piece);
                return;
            }
            let content = encode(queue, begins_at);
            let bytes = content.len() + Journal::SMALL_BOUND * (piece.len() + 2);
            let appended = journal.append_always(Some(bytes), |append| {
                let reference = append.definition(&content);
                append.settle(start.reference.as_slice());
                append.settle(piece);
                reference
            });
            // Without a journal that takes it these come back, at their offsets.
            if let Ok((reference, _)) = appended {
                *start = Start { offset: begins_at, reference: Some(reference) };
            }
        });
    }

    /// The stream is deleted: nothing begins any more.
    pub(super) fn end(&self, journal: &Journal) {
        journal.settle(std::mem::take(&mut *self.lock_start()).reference.as_slice());
    }

    fn lock_start(&self) -> MutexGuard<'_, Start> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As all definitions, a field table.
fn encode(queue: QueueId, offset: u64) -> Vec<u8> {
    let mut table = FieldTable::new();
    table.set(ShortString::from_static("kind"), STREAM_START);
    let number = |number| FieldValue::I64(i64::try_from(number).unwrap_or(i64::MAX));
    table.set(ShortString::from_static("queue"), number(queue.0));
    table.set(ShortString::from_static("offset"), number(offset));
    let mut bytes = BytesMut::with_capacity(table.encoded_len());
    encode_table(&table, &mut bytes);
    bytes.to_vec()
}
