use springhare_amqp::{MessageProperties, Property};

use super::{END_AT, Expected, HAS_GAP, INDEX_VERSION, MAGIC, bits, distance};
use crate::model::expiration;
use crate::store::format::frame::Flags;
use crate::store::format::message::put_queues;
use crate::store::format::record::{Kind, MessageRecord, Record};
use crate::store::format::references::{Run, put_references};
use crate::store::format::varint::{put_bytes, put_varint};

/// Writes an index, record by record.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    out: Vec<u8>,
    expected: Expected,
    /// The queues of the last message, as they are written.
    queues: Vec<u8>,
    scratch: Vec<u8>,
}

impl IndexWriter {
    /// An index of the segment with this number and generation.
    pub(crate) fn new(number: u32, generation: u32) -> Self {
        let mut out = MAGIC.to_vec();
        for field in [INDEX_VERSION, number, generation, 0] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        Self { out, expected: Expected::default(), queues: Vec::new(), scratch: Vec::new() }
    }

    /// Adds the record whose frame is there. Marks of how far was synced mean nothing later and
    /// are left out.
    pub(crate) fn push(&mut self, offset: u32, length: u32, flags: Flags, record: &Record<'_>) {
        match record {
            Record::Message(record) => {
                self.begin(Kind::Message, offset, length);
                self.message(length, flags, record);
            }
            Record::Delayed(record) => {
                self.begin(Kind::Delayed, offset, length);
                self.out.push(flags.bits());
                put_varint(&mut self.out, self.expected.distance(record.reference));
            }
            Record::Definition { reference, content } => {
                self.begin(Kind::Definition, offset, length);
                self.out.push(flags.bits());
                put_varint(&mut self.out, self.expected.distance(*reference));
                put_bytes(&mut self.out, content);
            }
            Record::Settle(runs) => {
                self.begin(Kind::Settle, offset, length);
                self.settled(*runs);
            }
            Record::Returned(record) => {
                self.begin(Kind::Returned, offset, length);
                put_varint(&mut self.out, self.expected.distance(record.reference));
                put_varint(&mut self.out, u64::from(record.delivery_count));
                put_varint(&mut self.out, record.retry_at.map_or(0, |at| at.saturating_add(1)));
            }
            Record::Removed { segment } => {
                self.begin(Kind::Removed, offset, length);
                put_varint(&mut self.out, u64::from(*segment));
            }
            Record::Clean { .. } => self.begin(Kind::Clean, offset, length),
            Record::SyncedTo { .. } => {}
        }
    }

    /// The file's bytes, for a segment that ends there.
    pub(crate) fn finish(mut self, end: u32) -> Vec<u8> {
        if let Some(field) = self.out.get_mut(END_AT..END_AT + 4) {
            field.copy_from_slice(&end.to_le_bytes());
        }
        self.out.extend_from_slice(&crc32c::crc32c(&self.out).to_le_bytes());
        self.out
    }

    fn begin(&mut self, kind: Kind, offset: u32, length: u32) {
        let gap = offset.wrapping_sub(self.expected.offset);
        self.out.push(kind.number() | if gap == 0 { 0 } else { HAS_GAP });
        if gap != 0 {
            put_varint(&mut self.out, u64::from(gap));
        }
        put_varint(&mut self.out, u64::from(length));
        self.expected.offset = offset.wrapping_add(length);
    }

    fn settled(&mut self, runs: impl Iterator<Item = Run>) {
        let mut bytes = Vec::new();
        put_references(&mut bytes, self.expected.reference, runs.flat_map(Run::references));
        put_bytes(&mut self.out, &bytes);
    }

    fn message(&mut self, length: u32, flags: Flags, record: &MessageRecord<'_>) {
        let expected = self.expected;
        let body = u32::try_from(record.content.body.len()).unwrap_or(u32::MAX);
        let overhead = length.saturating_sub(body);
        let (expiration, priority) = lifetime_and_priority(record.content.properties);
        self.scratch.clear();
        let queues = record.queues;
        put_queues(&mut self.scratch, record.first, flags, queues.len(), queues);

        let is_sparse = flags.has(Flags::SPARSE);
        let is_next = record.first.number() == expected.reference;
        let are_same = !is_sparse && self.scratch == self.queues;
        let replaces = record.replaces.clone().next().is_some();
        let said = [
            (is_next, bits::NEXT),
            (are_same, bits::SAME_QUEUES),
            (overhead == expected.overhead, bits::SAME_OVERHEAD),
            (expiration.is_some(), bits::EXPIRES),
            (priority.is_some(), bits::PRIORITY),
            (flags.has(Flags::MOVED), bits::MOVED),
            (replaces, bits::REPLACES),
            (is_sparse, bits::SPARSE),
        ];
        let said = said.iter().filter(|(is_so, _)| *is_so).map(|(_, bit)| bit);
        self.out.push(said.fold(0, |bits, bit| bits | bit));
        if !is_next {
            put_varint(&mut self.out, expected.distance(record.first));
        }
        put_varint(&mut self.out, distance(expected.published_at, record.published_at));
        if !are_same {
            self.out.extend_from_slice(&self.scratch);
        }
        if overhead != expected.overhead {
            put_varint(&mut self.out, u64::from(overhead));
        }
        if let Some(expiration) = expiration {
            put_varint(&mut self.out, expiration);
        }
        self.out.extend(priority);
        self.expected.published_at = record.published_at;
        self.expected.overhead = overhead;
        self.expected.reference = queues.end(record.first).unwrap_or_default();
        if replaces {
            self.settled(record.replaces);
        }
        // Sparse ones are never the same again.
        std::mem::swap(&mut self.queues, &mut self.scratch);
        if is_sparse {
            self.queues.clear();
        }
    }
}

/// The property flags of both, in the first of their bytes.
const LIFETIME_OR_PRIORITY: u8 = 0b0000_1001;

/// What a message says of both; nothing, if it can't be read.
fn lifetime_and_priority(properties: &[u8]) -> (Option<u64>, Option<u8>) {
    // Most say nothing, and need no second look.
    if properties.first().is_none_or(|flags| flags & LIFETIME_OR_PRIORITY == 0) {
        return (None, None);
    }
    let Ok(properties) = MessageProperties::parse(properties) else { return (None, None) };
    let text = properties.text(Property::Expiration);
    let lifetime = text.and_then(|text| expiration::parse(&text).ok());
    let milliseconds = lifetime.and_then(|lifetime| u64::try_from(lifetime.as_millis()).ok());
    let has_priority = properties.has(Property::Priority);
    (milliseconds, has_priority.then(|| properties.priority).flatten())
}
