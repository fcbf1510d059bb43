use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::model::ids::QueueId;
use crate::model::stored::{Place, Reference};
use crate::store::format::index::{Entry, EntryRecord, Index};
use crate::store::format::record::ReturnedRecord;
use crate::store::format::references::Runs;
use crate::store::reference_set::ReferenceSet;

/// What all segments say of each other's records: the first pass.
///
/// The last segment is added first. So what is settled is mostly known before what it settles, and
/// nothing is kept for it.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) settled: ReferenceSet,
    /// What has a copy in a later segment than where it was first.
    pub(crate) moved: ReferenceSet,
    pub(crate) returned: HashMap<Reference, ReturnedRecord>,
    pub(crate) definitions: BTreeMap<Reference, Bytes>,
    pub(crate) delayed: BTreeMap<Reference, Place>,
    pub(crate) removed: BTreeSet<u32>,
    pub(crate) highest_queue: u64,
    /// One more than the highest reference that anything names.
    pub(crate) reference_end: u64,
}

/// What a segment has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SegmentSummary {
    /// References of its records; what is for n queues has n.
    pub(crate) references: u64,
    /// Bytes of the records that have them.
    pub(crate) bytes: u64,
    /// The lowest and the highest of them.
    pub(crate) range: Option<RangeInclusive<u64>>,
    /// The lowest and the highest of those that were copied into it.
    pub(crate) moved: Option<RangeInclusive<u64>>,
    /// References that its records settle.
    pub(crate) settled: u64,
    /// Records of what has come back.
    pub(crate) returned: u64,
}

impl Collected {
    /// Adds a segment, which comes before all that were added; none if not all of its index can be
    /// read. What could be read is right all the same.
    pub(crate) fn add(&mut self, index: Index<'_>) -> Option<SegmentSummary> {
        let mut summary = SegmentSummary::default();
        let mut has_others = false;
        let mut entries = index.entries();
        for entry in entries.by_ref() {
            match entry.record {
                EntryRecord::Message(message) => {
                    let mut any = false;
                    for (queue, reference) in message.queues {
                        self.highest_queue = self.highest_queue.max(queue.0);
                        self.own(&mut summary, reference, message.is_moved);
                        any = true;
                    }
                    summary.bytes += if any { u64::from(entry.length) } else { 0 };
                    self.settle(&mut summary, message.replaces);
                }
                EntryRecord::Delayed { reference, is_moved, .. }
                | EntryRecord::Definition { reference, is_moved, .. } => {
                    self.own(&mut summary, reference, is_moved);
                    summary.bytes += u64::from(entry.length);
                    has_others = true;
                }
                EntryRecord::Settle(runs) => self.settle(&mut summary, runs),
                EntryRecord::Returned(record) => {
                    summary.returned += 1;
                    self.reference_end = self.reference_end.max(record.reference.number() + 1);
                    has_others = true;
                }
                EntryRecord::Removed { segment } => drop(self.removed.insert(segment)),
                EntryRecord::Clean => {}
            }
        }
        if has_others {
            self.add_others(index);
        }
        entries.is_whole().then_some(summary)
    }

    fn own(&mut self, summary: &mut SegmentSummary, reference: Reference, is_moved: bool) {
        let number = reference.number();
        summary.references += 1;
        include(&mut summary.range, number);
        self.reference_end = self.reference_end.max(number + 1);
        if is_moved {
            include(&mut summary.moved, number);
            self.moved.insert(reference);
        }
    }

    fn settle(&mut self, summary: &mut SegmentSummary, runs: Runs<'_>) {
        for run in runs {
            summary.settled += run.count;
            self.reference_end = self.reference_end.max(run.first + run.count);
            self.settled.insert_run(run);
        }
    }

    /// What is no message, now that it is known what the segment itself settles.
    fn add_others(&mut self, index: Index<'_>) {
        let mut returned: HashMap<Reference, ReturnedRecord> = HashMap::new();
        for Entry { offset, length, record } in index.entries() {
            match record {
                EntryRecord::Delayed { reference, .. } if !self.settled.contains(reference) => {
                    let place = Place { segment: index.number, offset, length };
                    self.delayed.entry(reference).or_insert(place);
                }
                EntryRecord::Definition { reference, content, .. }
                    if !self.settled.contains(reference) =>
                {
                    let content = || Bytes::copy_from_slice(content);
                    self.definitions.entry(reference).or_insert_with(content);
                }
                EntryRecord::Returned(record) if !self.settled.contains(record.reference) => {
                    let known = returned.entry(record.reference).or_insert(record);
                    if record.delivery_count >= known.delivery_count {
                        *known = record;
                    }
                }
                _ => {}
            }
        }
        for (reference, record) in returned {
            let known = self.returned.entry(reference).or_insert(record);
            // A copy comes later than what it is a copy of, and later than what came between.
            if record.delivery_count > known.delivery_count {
                *known = record;
            }
        }
    }

    pub(crate) fn highest_queue(&self) -> QueueId {
        QueueId(self.highest_queue)
    }
}

fn include(range: &mut Option<RangeInclusive<u64>>, number: u64) {
    *range = Some(match range {
        Some(range) => *range.start().min(&number)..=*range.end().max(&number),
        None => number..=number,
    });
}
