//! Appending: records are encoded under the lock, and written by others.

use std::time::Duration;

use super::log::Log;
use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::{Reference, Stored};
use crate::store::format::encode::{
    MessageEnvelope, SETTLE_REFERENCES_MAX, put_definition, put_delayed, put_message, put_returned,
    put_settle,
};
use crate::store::format::frame::FRAME_BYTES;
use crate::store::format::record::ReturnedRecord;
use crate::store::format::varint::VARINT_MAX;

/// What any record takes at the most beside what is counted: frame, reference, and some numbers.
const RECORD_BOUND: usize = FRAME_BYTES + 8 + 6 * VARINT_MAX;

/// What a name takes at the most beside its bytes.
const NAME_BOUND: usize = 2;

/// What a settled reference takes at the most, beyond the first.
const SETTLED_BOUND: usize = 2 * VARINT_MAX;

/// What is appended in one step; see [`Journal::append`](super::Journal::append).
#[derive(Debug)]
pub(crate) struct Append<'j> {
    pub(super) log: &'j mut Log,
    /// Whether what is said of messages that are there is gathered, and written later.
    pub(super) is_late: bool,
}

impl Append<'_> {
    /// A message, for these queues: its reference in the first of them, from which the others count
    /// up. `published_at` is the time since 1970. With `replaces` these are settled in the same
    /// record: the message takes their place.
    pub(crate) fn message(
        &mut self,
        message: &PublishedMessage,
        queues: &[QueueId],
        published_at: Duration,
        replaces: &[Reference],
    ) -> Reference {
        let bound = message_bound(message, queues.len()) + SETTLED_BOUND * replaces.len();
        let first = self.next_reference();
        let envelope =
            MessageEnvelope { first, published_at: milliseconds(published_at), replaces };
        let place = self.log.append(bound, |out| put_message(out, envelope, queues, message));
        let count = u32::try_from(queues.len()).unwrap_or(u32::MAX);
        self.log.liveness.give(count, place.length);
        message.set_stored(Stored { place, end: self.log.end() });
        #[cfg(test)]
        for (queue, number) in queues.iter().zip(0..) {
            self.log.queues.insert(first.plus(number), Some(*queue));
        }
        self.settled(replaces);
        first
    }

    /// A message that waits at a delayed exchange until `due`, the time since 1970, and is nowhere
    /// else.
    pub(crate) fn delayed(
        &mut self,
        message: &PublishedMessage,
        virtual_host: &str,
        exchange: &str,
        due: Duration,
    ) -> Reference {
        let bound = delayed_bound(message, virtual_host, exchange);
        let reference = self.next_reference();
        let place = self.log.append(bound, |out| {
            put_delayed(out, reference, milliseconds(due), (virtual_host, exchange), message)
        });
        message.set_stored(Stored { place, end: self.log.end() });
        self.give(place.length, reference)
    }

    /// A definition, as the engine encodes it.
    pub(crate) fn definition(&mut self, content: &[u8]) -> Reference {
        let bound = RECORD_BOUND + content.len();
        let reference = self.next_reference();
        let place = self.log.append(bound, |out| put_definition(out, reference, content));
        self.give(place.length, reference)
    }

    /// These are done with, for ever.
    pub(crate) fn settle(&mut self, references: &[Reference]) {
        if self.is_late {
            self.log.late.settle(references);
            references.iter().for_each(|reference| self.log.settle(*reference));
            return;
        }
        self.log.put_settled(references);
        references.iter().for_each(|reference| self.log.settle(*reference));
    }

    /// A message has come back to its queue: its failed deliveries, and when it is tried again (the
    /// time since 1970) if it waits for that.
    pub(crate) fn returned(
        &mut self,
        reference: Reference,
        delivery_count: u32,
        retry_at: Option<Duration>,
    ) {
        if !self.log.liveness.is_alive(reference) {
            return;
        }
        let retry_at = retry_at.map(milliseconds);
        let returned = ReturnedRecord { reference, delivery_count, retry_at };
        match self.is_late {
            true => self.log.late.return_again(returned),
            false => self.log.put_returned(returned),
        }
    }

    fn settled(&mut self, references: &[Reference]) {
        self.log.liveness.add_settled(references.len() as u64);
        for reference in references {
            self.log.settle(*reference);
        }
    }

    fn next_reference(&self) -> Reference {
        Reference::new(self.log.liveness.next_reference()).unwrap_or(Reference::FIRST)
    }

    fn give(&mut self, length: u32, reference: Reference) -> Reference {
        self.log.liveness.give(1, length);
        #[cfg(test)]
        self.log.queues.insert(reference, None);
        reference
    }
}

impl Log {
    /// Appends the records that settle these.
    fn put_settled(&mut self, references: &[Reference]) {
        for part in references.chunks(SETTLE_REFERENCES_MAX) {
            self.append(RECORD_BOUND + SETTLED_BOUND * part.len(), |out| put_settle(out, part));
        }
        self.liveness.add_settled(references.len() as u64);
    }

    fn put_returned(&mut self, returned: ReturnedRecord) {
        self.append(RECORD_BOUND, |out| put_returned(out, returned));
        self.liveness.add_returned();
    }

    /// Appends some of what comes late, if there is any.
    pub(super) fn put_late(&mut self) {
        let (settled, returned) = self.late.take();
        self.put_settled(&settled);
        for record in returned {
            self.put_returned(record);
        }
    }
}

/// What a message takes at the most, without what it replaces.
pub(super) fn message_bound(message: &PublishedMessage, queues: usize) -> usize {
    let names = message.exchange.len() + message.routing_key.len() + 2 * NAME_BOUND;
    let copies = message.copies().iter().map(|key| key.len() + VARINT_MAX).sum::<usize>();
    let content = message.message.properties.encoded_len() + message.message.body.len();
    RECORD_BOUND + names + copies + content + queues * VARINT_MAX
}

/// What a delayed message takes at the most.
pub(super) fn delayed_bound(
    message: &PublishedMessage,
    virtual_host: &str,
    exchange: &str,
) -> usize {
    message_bound(message, 0) + virtual_host.len() + exchange.len() + 2 * VARINT_MAX
}

/// A time as it is stored.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
