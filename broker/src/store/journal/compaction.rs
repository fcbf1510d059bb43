//! Writing again what is alive in a segment that is mostly dead, so that its file can be removed.
//!
//! Nothing that is asked of the journal changes by it: copies have the references of their
//! originals, which stay where they are until the copies are synced.

use std::collections::BTreeMap;
use std::io;

use super::core::{Core, Step, StepError};
use super::log::Log;
use super::read::read_frames;
use crate::model::ids::QueueId;
use crate::model::stored::{Lsn, Reference};
use crate::store::error::Failure;
use crate::store::format::encode::{
    SETTLE_REFERENCES_MAX, put_moved, put_moved_message, put_moved_returned, put_removed,
    put_settle,
};
use crate::store::format::frame::{FRAME_BYTES, Frame};
use crate::store::format::index::{Entry, EntryRecord, Index};
use crate::store::format::record::{MessageRecord, Record, ReturnedRecord};
use crate::store::format::references::Run;
use crate::store::format::varint::VARINT_MAX;
use crate::store::names;
use crate::store::recovery::{DamageKind, FoundSegment, Tail, index_of};

/// Entries and references that are looked at, and bytes that are copied, in one step under the append lock.
const STEP_ENTRIES: usize = 512;
const STEP_BYTES: usize = 64 << 10;

/// What is still needed of a segment.
#[derive(Debug, Default)]
struct Needed {
    /// Records with something that is alive: offset and length.
    records: Vec<(u32, u32)>,
    bytes: u64,
    settled: Vec<Reference>,
    returned: BTreeMap<Reference, (u32, Option<u64>)>,
}

/// Whether what is alive in a segment was appended again.
#[derive(Debug)]
enum Copied {
    All,
    /// Some of it is damaged.
    NotAll,
    /// The disk does not give some of it now.
    NotNow(io::Error),
}

impl Core {
    /// Gives a segment up if that is worth it.
    pub(super) fn compact(&self, number: u32) -> Result<Step, StepError> {
        let index = match self.read_index(number) {
            Ok(index) => index,
            Err(error) => return Ok(self.try_later(number, &error)),
        };
        let index = index.as_deref().and_then(Index::decode);
        let Some(needed) = index.and_then(|index| self.needed_of(number, index)) else {
            return Ok(self.leave(number));
        };
        // Where nothing is alive, the little that is said of others is written again in any case.
        if !needed.records.is_empty() && needed.bytes > self.settings.worth_bytes() {
            self.lock().liveness.not_worth(number);
            return Ok(Step::Done);
        }
        match self.copy_records(number, &needed.records)? {
            Copied::All => {}
            Copied::NotAll => return Ok(self.leave(number)),
            Copied::NotNow(error) => return Ok(self.try_later(number, &error)),
        }
        self.copy_changes(&needed)?;
        self.remove(number)
    }

    /// Something in a segment is damaged, and is lost if the file goes: it stays, at least until
    /// the next start.
    fn leave(&self, number: u32) -> Step {
        self.lock().liveness.leave(number);
        Step::Done
    }

    /// The disk does not give something of a segment: another round tries it again.
    fn try_later(&self, number: u32, error: &io::Error) -> Step {
        self.lock().liveness.not_read(number);
        if self.files.is_not_read(number) {
            let file = self.disk.path().join(names::segment(number));
            tracing::error!(
                file = %file.display(),
                %error,
                "a segment can't be read, and is not given up: it is tried again"
            );
        }
        Step::Done
    }

    /// The index of a sealed segment: its file, or made from the segment; none if that is damaged.
    fn read_index(&self, number: u32) -> io::Result<Option<Vec<u8>>> {
        let known = self.lock().liveness.generation_and_end(number);
        let Some((generation, end)) = known else { return Ok(None) };
        let segment = FoundSegment {
            number,
            generation,
            header: None,
            file_bytes: self.files.segment(number).and_then(|file| file.length())?,
            tail: Tail::Sealed { end: Some(end) },
        };
        let indexed = index_of(&*self.disk, &segment).map_err(io::Error::other)?;
        let damages = indexed.read.map(|read| read.damages).unwrap_or_default();
        if damages.iter().any(|damage| damage.kind == DamageKind::DiskError) {
            return Err(io::Error::other(DamageKind::DiskError.text()));
        }
        Ok(damages.is_empty().then_some(indexed.bytes))
    }

    /// What is needed of a segment; none if its index can't be read.
    fn needed_of(&self, number: u32, index: Index<'_>) -> Option<Needed> {
        let mut needed = Needed::default();
        let mut entries = index.entries();
        let mut is_over = false;
        while !is_over {
            is_over = true;
            let mut log = self.lock();
            for entry in entries.by_ref().take(STEP_ENTRIES) {
                needed.look_at(number, &entry, &mut log);
                is_over = false;
            }
        }
        // One record may settle many.
        let mut settled = index.entries().flat_map(settled_by).peekable();
        while settled.peek().is_some() {
            let mut log = self.lock();
            for reference in settled.by_ref().take(STEP_ENTRIES) {
                needed.settle(number, reference, &mut log);
            }
        }
        entries.is_whole().then_some(needed)
    }

    /// Appends what is alive again.
    fn copy_records(&self, number: u32, records: &[(u32, u32)]) -> Result<Copied, StepError> {
        let mut rest = records;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|(_, length)| {
                let is_first = bytes == 0;
                bytes += *length as usize;
                is_first || bytes <= STEP_BYTES
            });
            let (step, later) = rest.split_at(fitting.count());
            rest = later;
            let file = self.files.segment(number);
            let frames = match file.and_then(|file| read_frames(&*file, step)) {
                Ok(frames) => frames,
                Err(error) => return Ok(Copied::NotNow(error)),
            };
            if frames.len() < step.len() {
                let unread = step.get(frames.len()).map_or(0, |(offset, _)| *offset);
                self.report_damage(number, unread);
                return Ok(Copied::NotAll);
            }
            let end = self.append_step(|log| {
                for bytes in &frames {
                    if let Some(frame) = Frame::decode(bytes) {
                        log.copy(number, &frame);
                    }
                }
            })?;
            self.limit_backlog(end)?;
        }
        Ok(Copied::All)
    }

    /// Settlements and returns that are needed.
    fn copy_changes(&self, needed: &Needed) -> Result<(), StepError> {
        for part in needed.settled.chunks(STEP_ENTRIES.min(SETTLE_REFERENCES_MAX)) {
            let end = self.append_step(|log| log.settle_again(part))?;
            self.limit_backlog(end)?;
        }
        let returned: Vec<_> = needed.returned.iter().collect();
        for part in returned.chunks(STEP_ENTRIES) {
            let end = self.append_step(|log| {
                for (reference, (delivery_count, retry_at)) in part {
                    let (delivery_count, retry_at) = (*delivery_count, *retry_at);
                    let reference = **reference;
                    log.return_again(ReturnedRecord { reference, delivery_count, retry_at });
                }
            })?;
            self.limit_backlog(end)?;
        }
        Ok(())
    }

    /// Says that a segment's file is removed as soon as that is synced.
    pub(super) fn append_removed(&self, number: u32) -> Result<Lsn, StepError> {
        self.append_step(|log| {
            log.append(FRAME_BYTES + 4, |out| put_removed(out, number));
            log.liveness.going(number);
        })
    }

    pub(super) fn append_step(&self, write: impl FnOnce(&mut Log)) -> Result<Lsn, StepError> {
        let mut log = self.lock();
        match &log.failure {
            Some(failure) => Err(StepError::Failed(Failure::clone(failure))),
            None => {
                write(&mut log);
                Ok(log.end())
            }
        }
    }

    /// Goes on once what was appended is written, if much waits.
    fn limit_backlog(&self, end: Lsn) -> Result<(), StepError> {
        let is_much = self.lock().backlog() > self.backlog_max() / 2;
        if is_much { self.flush(end) } else { Ok(()) }
    }
}

impl Needed {
    fn look_at(&mut self, number: u32, entry: &Entry<'_>, log: &mut Log) {
        match &entry.record {
            EntryRecord::Message(message) => {
                let mut queues = message.queues;
                if queues.any(|(_, reference)| log.liveness.is_in(reference, number)) {
                    self.keep(entry);
                }
            }
            EntryRecord::Delayed { reference, .. } | EntryRecord::Definition { reference, .. } => {
                if log.liveness.is_in(*reference, number) {
                    self.keep(entry);
                }
            }
            EntryRecord::Returned(record) => {
                let ReturnedRecord { reference, delivery_count, retry_at } = *record;
                if log.liveness.is_alive(reference) {
                    let last = self.returned.entry(reference).or_default();
                    *last = (*last).max((delivery_count, retry_at));
                    self.bytes += u64::from(entry.length);
                }
            }
            EntryRecord::Settle(_) | EntryRecord::Removed { .. } | EntryRecord::Clean => {}
        }
    }

    fn keep(&mut self, entry: &Entry<'_>) {
        self.records.push((entry.offset, entry.length));
        self.bytes += u64::from(entry.length);
    }

    fn settle(&mut self, number: u32, reference: Reference, log: &mut Log) {
        if log.liveness.needs_settled(reference, number) {
            self.settled.push(reference);
            self.bytes += 1;
        }
    }
}

fn settled_by(entry: Entry<'_>) -> impl Iterator<Item = Reference> {
    let runs = match entry.record {
        EntryRecord::Settle(runs) => Some(runs),
        EntryRecord::Message(message) => Some(message.replaces),
        _ => None,
    };
    runs.into_iter().flatten().flat_map(Run::references)
}

impl Log {
    /// Appends a record of this segment again, for what of it is alive there.
    fn copy(&mut self, number: u32, frame: &Frame<'_>) {
        let Some(record) = Record::decode(frame) else { return };
        match record {
            Record::Message(record) => self.copy_message(number, frame, &record),
            Record::Delayed(record) => self.copy_whole(number, frame, record.reference),
            Record::Definition { reference, .. } => self.copy_whole(number, frame, reference),
            Record::Settle(_)
            | Record::Returned(_)
            | Record::SyncedTo { .. }
            | Record::Removed { .. }
            | Record::Clean { .. } => {}
        }
    }

    fn copy_message(&mut self, number: u32, frame: &Frame<'_>, record: &MessageRecord<'_>) {
        let mut alive: Vec<(QueueId, Reference)> = record.queues.collect();
        alive.retain(|(_, reference)| self.liveness.is_in(*reference, number));
        if alive.is_empty() {
            return;
        }
        let bound = frame.length() + 2 * VARINT_MAX * alive.len();
        let place = self.append(bound, |out| put_moved_message(out, record, &alive));
        self.liveness.add_copied_bytes(place.length);
        for (_, reference) in alive {
            self.liveness.copied(reference, place.offset);
        }
    }

    fn copy_whole(&mut self, number: u32, frame: &Frame<'_>, reference: Reference) {
        if !self.liveness.is_in(reference, number) {
            return;
        }
        let place = self.append(frame.length(), |out| put_moved(out, frame));
        self.liveness.add_copied_bytes(place.length);
        self.liveness.copied(reference, place.offset);
    }

    fn settle_again(&mut self, references: &[Reference]) {
        let bound = FRAME_BYTES + 8 + 2 * VARINT_MAX * references.len();
        self.append(bound, |out| put_settle(out, references));
        self.liveness.add_settled(references.len() as u64);
    }

    fn return_again(&mut self, returned: ReturnedRecord) {
        if !self.liveness.is_alive(returned.reference) {
            return;
        }
        let bound = FRAME_BYTES + 8 + 2 * VARINT_MAX;
        self.append(bound, |out| put_moved_returned(out, returned));
        self.liveness.add_returned();
    }
}
