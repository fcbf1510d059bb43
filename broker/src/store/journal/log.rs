//! What the append lock guards.

use std::sync::Arc;

use super::chunks::{Begin, Chunk, Chunks};
use super::late::Late;
use super::liveness::{Liveness, WasLast};
use crate::model::stored::{Lsn, Place, Reference};
use crate::store::disk::DiskFile;
use crate::store::error::Failure;
use crate::store::format::encode::put_synced_to;
use crate::store::format::frame::FRAME_BYTES;
use crate::store::format::header::{HEADER_BYTES, SegmentHeader, ranges};

/// Where the first frame of a segment begins.
#[expect(clippy::cast_possible_truncation, reason = "it is 4096")]
pub(super) const FIRST_FRAME: u32 = HEADER_BYTES as u32;

/// What the mark takes that says how far a segment is synced.
const MARK_BOUND: usize = FRAME_BYTES + 4;

/// The end of the journal: what is appended goes here.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) liveness: Liveness,
    pub(super) chunks: Chunks,
    pub(super) late: Late,
    /// The segment that is filled.
    filling: Filling,
    segment_bytes: u32,
    /// What the segments' generations follow from: another number in each run.
    seed: u64,
    /// The end of all that was appended.
    end: u64,
    /// Where the frames begin in the last chunk that are appended and belong together, if they do.
    group: Option<usize>,
    pub(super) progress: Progress,
    /// What has a reference below may have been delivered by a broker that could not say so.
    pub(super) delivered_below: u64,
    pub(super) is_stopping: bool,
    /// Whether nothing may come any more: the last record is there.
    pub(super) is_closed: bool,
    pub(super) failure: Option<Failure>,
    /// Whether there may be a segment that can be removed.
    pub(super) has_dead: bool,
    /// Which queue each message is in, for tests that look.
    #[cfg(test)]
    pub(super) queues: std::collections::BTreeMap<Reference, Option<crate::model::ids::QueueId>>,
}

#[derive(Debug)]
struct Filling {
    number: u32,
    generation: u32,
    /// Where the next frame goes.
    offset: u32,
    size: u32,
    /// How much of the journal comes before its first frame.
    start: u64,
    /// How far the last mark says that it is synced.
    marked: u32,
}

impl Filling {
    fn next(&self) -> (u32, u32, u32) {
        (self.number, self.generation, self.offset)
    }
}

/// How far what was appended is written, and by whom.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) written: u64,
    pub(super) synced: u64,
    /// The bytes of segments that have begun and have no file yet.
    pub(super) unallocated: u64,
    /// As far as this it is to be synced at once.
    pub(super) wanted: u64,
    /// The file that what was written last is in.
    pub(super) file: Option<Arc<dyn DiskFile>>,
    pub(super) is_writing: bool,
    pub(super) is_syncing: bool,
    /// There was no room: nothing is written until it is tried again.
    pub(super) is_stalled: bool,
    /// Threads that wait for something to do, and those that wait for a step of another.
    pub(super) idle: u32,
    pub(super) flushing: u32,
    /// More waits to be written than should.
    pub(super) is_backlogged: bool,
}

impl Log {
    /// A log that goes on in a segment of its own; the one before it has ended there.
    pub(super) fn new(
        liveness: Liveness,
        (number, previous_end): (u32, u32),
        segment_bytes: u32,
        seed: u64,
    ) -> Self {
        let mut log = Self {
            liveness,
            chunks: Chunks::default(),
            late: Late::default(),
            filling: Filling {
                number,
                generation: 0,
                offset: previous_end,
                size: 0,
                start: 0,
                marked: 0,
            },
            segment_bytes,
            seed,
            end: 1,
            group: None,
            progress: Progress { written: 1, synced: 1, ..Progress::default() },
            delivered_below: Reference::FIRST.number(),
            is_stopping: false,
            is_closed: false,
            failure: None,
            has_dead: false,
            #[cfg(test)]
            queues: std::collections::BTreeMap::new(),
        };
        log.begin_segment(number, 0);
        log
    }

    /// The end of all that was appended.
    pub(super) fn end(&self) -> Lsn {
        Lsn(self.end)
    }

    /// The segment that is filled.
    pub(super) fn segment(&self) -> u32 {
        self.filling.number
    }

    /// What marks its frames.
    #[cfg(test)]
    pub(super) fn generation(&self) -> u32 {
        self.filling.generation
    }

    /// What waits to be written, in bytes.
    pub(super) fn backlog(&self) -> u64 {
        self.end.saturating_sub(self.progress.written)
    }

    /// What has to be allocated for so many bytes more, at the most.
    pub(super) fn bytes_to_allocate(&self, bytes: usize) -> u64 {
        let bytes = bytes as u64 + MARK_BOUND as u64;
        let segment = u64::from(self.segment_bytes);
        if bytes <= u64::from(self.filling.size.saturating_sub(self.filling.offset)) {
            0
        } else if bytes + u64::from(FIRST_FRAME) <= segment {
            segment
        } else {
            // What comes behind it gets another one.
            bytes + u64::from(FIRST_FRAME) + segment
        }
    }

    /// The frames that follow, of at most so many bytes, survive together or not at all.
    pub(super) fn begin_group(&mut self, bound: usize) {
        self.make_room(bound.saturating_add(MARK_BOUND));
        self.mark();
        self.group = Some(self.chunks.make_room(self.filling.next(), bound));
    }

    pub(super) fn end_group(&mut self) {
        if let Some(start) = self.group.take() {
            self.chunks.join(start);
        }
    }

    /// Appends a frame of at most `bound` bytes; where it is.
    #[inline]
    pub(super) fn append(
        &mut self,
        bound: usize,
        put: impl FnOnce(&mut Vec<u8>) -> usize,
    ) -> Place {
        if self.group.is_some() {
            // There is room for all of it.
            return self.append_here(0, put);
        }
        self.make_room(bound + MARK_BOUND);
        self.mark();
        self.append_here(bound, put)
    }

    /// Settles, in memory; the record is another matter.
    #[inline]
    pub(super) fn settle(&mut self, reference: Reference) {
        if self.liveness.settle(reference) == WasLast::Maybe {
            self.has_dead = true;
        }
        #[cfg(test)]
        self.queues.remove(&reference);
    }

    fn append_here(&mut self, bound: usize, put: impl FnOnce(&mut Vec<u8>) -> usize) -> Place {
        let Filling { number, offset, .. } = self.filling;
        let length = self.chunks.append(self.filling.next(), bound, put);
        self.end += length as u64;
        // Room was made for it in a segment, whose size is such a number.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.filling.offset = offset.saturating_add(length);
        Place { segment: number, offset, length }
    }

    /// Goes on in the next segment if so many bytes do not fit here.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        let room = self.filling.size.saturating_sub(self.filling.offset);
        if u32::try_from(bytes).is_ok_and(|bytes| bytes <= room) {
            return;
        }
        let number = self.filling.number + 1;
        self.liveness.begin(number);
        self.begin_segment(number, bytes);
    }

    /// Says at the start of what is written in one go how far the segment was synced before, if that
    /// is news: what is not whole below was damaged later, and not torn.
    fn mark(&mut self) {
        if !self.chunks.is_cut() {
            return;
        }
        let synced = self.progress.synced.saturating_sub(self.filling.start);
        let synced = u32::try_from(synced).unwrap_or(u32::MAX).saturating_add(FIRST_FRAME);
        if synced <= self.filling.marked.max(FIRST_FRAME) {
            return;
        }
        self.filling.marked = synced;
        self.append_here(MARK_BOUND, |out| put_synced_to(out, synced));
    }

    fn begin_segment(&mut self, number: u32, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(FIRST_FRAME);
        let size = bytes.max(self.segment_bytes);
        let generation = generation(self.seed, number);
        let next_reference = self.liveness.next_reference();
        let others = ranges(self.liveness.numbers().filter(|other| *other != number));
        let previous_end = self.filling.offset;
        // Who writes it knows which file it gets.
        let is_reused = false;
        let header =
            SegmentHeader { number, generation, next_reference, previous_end, others, is_reused };
        let begin = Begin { header, size: u64::from(size) };
        self.progress.unallocated += begin.size;
        self.filling = Filling {
            number,
            generation,
            offset: FIRST_FRAME,
            size,
            start: self.end,
            marked: FIRST_FRAME,
        };
        self.chunks.begin(number, generation, FIRST_FRAME, begin);
    }

    /// Gives back what could not be written: it is tried again later.
    pub(super) fn put_back(&mut self, chunks: std::collections::VecDeque<Chunk>) {
        self.chunks.put_back(chunks);
        self.progress.is_stalled = true;
    }
}

/// What marks the frames of a segment: hardly ever the same in two segments, of one run or of several.
fn generation(seed: u64, number: u32) -> u32 {
    let [a, b, c, d, rest @ ..] = seed.to_le_bytes();
    let seed = u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes(rest);
    // The factor is odd, so that each number gives another product. 0 is no generation.
    seed.wrapping_add(number.wrapping_mul(0x9e37_79b9)).max(1)
}
