//! Writes segments as a journal does, and knows what has to be in them.

use std::collections::{BTreeMap, BTreeSet};

use springhare_amqp::{Message, ShortString};

use crate::model::ids::QueueId;
use crate::model::message::PublishedMessage;
use crate::model::stored::Reference;
use crate::store::disk::Disk;
use crate::store::disk::simulated::SimulatedDisk;
use crate::store::format::encode::*;
use crate::store::format::frame::{Frame, join_frames, seal_frames};
use crate::store::format::header::{FoundHeader, HEADER_BYTES, SegmentHeader, ranges};
use crate::store::format::record::{Record, ReturnedRecord};
use crate::store::names;
use crate::store::recovery::{Alive, Recovered, recover};

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    Message {
        first: u64,
        queues: Vec<u64>,
        replaces: Vec<u64>,
        body: Vec<u8>,
    },
    Delayed {
        reference: u64,
        due: u64,
    },
    Definition {
        reference: u64,
        content: Vec<u8>,
    },
    Settle(Vec<u64>),
    Returned {
        reference: u64,
        delivery_count: u32,
        retry_at: Option<u64>,
    },
    /// All before it in this segment is synced.
    Mark,
    Removed(u32),
    Clean,
}

/// Records that survive together, and where they lie.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) segment: u32,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) ops: Vec<Op>,
}

/// What is alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Reference: queue, length of the body, failed deliveries, when it is tried again.
    pub(super) messages: BTreeMap<u64, (u64, usize, u32, Option<u64>)>,
    pub(super) delayed: BTreeMap<u64, u64>,
    pub(super) definitions: BTreeMap<u64, Vec<u8>>,
}

fn reference(number: u64) -> Reference {
    Reference::new(number).unwrap()
}

fn references(numbers: &[u64]) -> Vec<Reference> {
    numbers.iter().copied().map(reference).collect()
}

fn published(body: &[u8]) -> PublishedMessage {
    let key = ShortString::from_static("key");
    PublishedMessage::new(ShortString::default(), key, Message::new(body.to_vec()))
}

pub(super) fn put(out: &mut Vec<u8>, op: &Op) {
    let _length = match op {
        Op::Message { first, queues, replaces, body } => {
            let replaces = references(replaces);
            let first = reference(*first);
            let envelope = MessageEnvelope { first, published_at: 1_000, replaces: &replaces };
            let queues: Vec<_> = queues.iter().copied().map(QueueId).collect();
            put_message(out, envelope, &queues, &published(body))
        }
        Op::Delayed { reference: number, due } => {
            put_delayed(out, reference(*number), *due, ("/", "later"), &published(b"later"))
        }
        Op::Definition { reference: number, content } => {
            put_definition(out, reference(*number), content)
        }
        Op::Settle(numbers) => put_settle(out, &references(numbers)),
        Op::Returned { reference: number, delivery_count, retry_at } => {
            let (delivery_count, retry_at) = (*delivery_count, *retry_at);
            put_returned(
                out,
                ReturnedRecord { reference: reference(*number), delivery_count, retry_at },
            )
        }
        Op::Mark => {
            let offset = u32::try_from(out.len()).unwrap();
            put_synced_to(out, offset)
        }
        Op::Removed(segment) => put_removed(out, *segment),
        Op::Clean => put_clean(out, 1),
    };
}

impl State {
    /// What is alive after these, in the order in which they were written.
    pub(super) fn after<'u>(units: impl IntoIterator<Item = &'u Unit>) -> Self {
        let mut state = Self::default();
        let mut settled: BTreeSet<u64> = BTreeSet::new();
        for op in units.into_iter().flat_map(|unit| &unit.ops) {
            match op {
                Op::Message { first, queues, replaces, body } => {
                    for (queue, reference) in queues.iter().zip(*first..) {
                        state.messages.insert(reference, (*queue, body.len(), 0, None));
                    }
                    settled.extend(replaces);
                }
                Op::Delayed { reference, due } => drop(state.delayed.insert(*reference, *due)),
                Op::Definition { reference, content } => {
                    state.definitions.insert(*reference, content.clone());
                }
                Op::Settle(numbers) => settled.extend(numbers),
                Op::Returned { reference, delivery_count, retry_at } => {
                    if let Some(message) = state.messages.get_mut(reference)
                        && *delivery_count >= message.2
                    {
                        (message.2, message.3) = (*delivery_count, *retry_at);
                    }
                }
                Op::Mark | Op::Removed(_) | Op::Clean => {}
            }
        }
        state.messages.retain(|number, _| !settled.contains(number));
        state.delayed.retain(|number, _| !settled.contains(number));
        state.definitions.retain(|number, _| !settled.contains(number));
        state
    }

    /// What is alive by what the files say.
    pub(super) fn recovered(disk: &SimulatedDisk) -> (Self, Recovered) {
        let mut recovered = recover(disk).unwrap();
        let mut state = Self::default();
        for definition in &recovered.definitions {
            state.definitions.insert(definition.reference.number(), definition.content.to_vec());
        }
        for delayed in &recovered.delayed {
            let content = read(disk, delayed.place);
            assert_eq!(content.as_deref(), Some(&b"later"[..]));
            assert_eq!(delayed.body_len, 5);
            state.delayed.insert(delayed.reference.number(), delayed.due);
        }
        let (mut delayed, mut definitions) = (0, 0);
        let take = |alive: Alive| match alive {
            Alive::Message(message) => {
                let content = read(disk, message.place);
                assert_eq!(content.map(|content| content.len()), Some(message.body_len as usize));
                let value = (
                    message.queue.0,
                    message.body_len as usize,
                    message.delivery_count,
                    message.retry_at,
                );
                let before = state.messages.insert(message.reference.number(), value);
                assert_eq!(before, None, "each comes once");
            }
            Alive::Delayed { .. } => delayed += 1,
            Alive::Definition { .. } => definitions += 1,
        };
        recovered.restore(disk, take).unwrap();
        assert_eq!((delayed, definitions), (state.delayed.len(), state.definitions.len()));
        let messages = state.messages.len() + state.delayed.len();
        assert_eq!(recovered.report.messages, messages as u64);
        (state, recovered)
    }
}

/// The body of the message there.
fn read(disk: &SimulatedDisk, place: crate::model::stored::Place) -> Option<Vec<u8>> {
    let bytes = disk.content(&names::segment(place.segment))?;
    let start = place.offset as usize;
    let frame = Frame::decode(bytes.get(start..start + place.length as usize)?)?;
    match Record::decode(&frame)? {
        Record::Message(record) => Some(record.content.body.to_vec()),
        Record::Delayed(record) => Some(record.content.body.to_vec()),
        _ => None,
    }
}

/// A log that is written to a disk.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) disk: SimulatedDisk,
    pub(super) units: Vec<Unit>,
    pub(super) number: u32,
    /// Of the segment that is written, from its start.
    pub(super) bytes: Vec<u8>,
    next: u64,
    previous_end: usize,
}

impl Log {
    pub(super) fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let mut log = Self {
            disk,
            units: Vec::new(),
            number: 0,
            bytes: Vec::new(),
            next: 1,
            previous_end: 0,
        };
        log.roll();
        log
    }

    /// The file of the last segment was another one before.
    pub(super) fn reuse(&mut self) {
        let FoundHeader::Header(header) = SegmentHeader::decode(&self.bytes) else {
            panic!("it was written so");
        };
        let header = SegmentHeader { is_reused: true, ..header };
        self.bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    }

    fn generation(&self) -> u32 {
        0x1234_5678_u32.wrapping_mul(self.number)
    }

    /// The next segment begins.
    pub(super) fn roll(&mut self) {
        if self.number > 0 {
            self.save();
            self.previous_end = self.bytes.len();
        }
        self.number += 1;
        let there = self.disk.names();
        let others = ranges(there.iter().filter_map(|name| names::segment_number(name)));
        let header = SegmentHeader {
            number: self.number,
            generation: self.generation(),
            next_reference: self.next,
            previous_end: u32::try_from(self.previous_end).unwrap(),
            others,
            is_reused: false,
        };
        self.bytes = header.encode();
        assert_eq!(self.bytes.len(), HEADER_BYTES);
        self.save();
    }

    /// New references.
    pub(super) fn take(&mut self, count: usize) -> u64 {
        self.next += count as u64;
        self.next - count as u64
    }

    pub(super) fn message(&mut self, queues: &[u64], body: &[u8]) -> u64 {
        let first = self.take(queues.len());
        let (queues, replaces, body) = (queues.to_vec(), Vec::new(), body.to_vec());
        self.append(vec![Op::Message { first, queues, replaces, body }]);
        first
    }

    /// Several survive together or not at all.
    pub(super) fn append(&mut self, ops: Vec<Op>) {
        let start = self.bytes.len();
        ops.iter().for_each(|op| put(&mut self.bytes, op));
        join_frames(&mut self.bytes[start..]);
        let generation = self.generation();
        seal_frames(&mut self.bytes[start..], generation);
        let end = self.bytes.len();
        self.units.push(Unit { segment: self.number, start, end, ops });
    }

    /// Frames that are written as they are.
    pub(super) fn append_frames(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        put(&mut self.bytes);
        let generation = self.generation();
        seal_frames(&mut self.bytes[start..], generation);
    }

    /// The file is what was appended, and zeros behind it.
    pub(super) fn save(&self) {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len() + 300, 0);
        self.disk.put(&names::segment(self.number), &bytes);
    }

    /// The last segment's file has these bytes.
    pub(super) fn put_last(&self, bytes: &[u8]) {
        self.disk.put(&names::segment(self.number), bytes);
    }

    /// The units that are whole within the first bytes of the last segment.
    pub(super) fn within(&self, end: usize) -> impl Iterator<Item = &Unit> {
        self.units.iter().filter(move |unit| unit.segment < self.number || unit.end <= end)
    }

    /// The disk without indexes.
    pub(super) fn forget_indexes(&self) {
        for name in self.disk.names() {
            if names::index_number(&name).is_some() {
                self.disk.remove(&name).unwrap();
            }
        }
    }
}
