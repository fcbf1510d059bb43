use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::model::message::PublishedMessage;
use crate::model::queue::SettledReferences;
use crate::model::stored::Reference;

/// What an entry counts for beside its message's properties and body, in bytes: as much as the
/// header of a chunk on RabbitMQ's disk. Without it empty messages would fill a stream for ever.
const ENTRY_BYTES: u64 = 48;

/// Messages in the order they came, each with its offset and the time that it came at.
///
/// They are in segments, and these are dropped as a whole and from the front. The last one is
/// written to and never dropped.
#[derive(Debug)]
pub(super) struct Log {
    /// None of them is empty.
    segments: VecDeque<Segment>,
    next_offset: u64,
    /// What all entries count for, and the memory of all messages.
    bytes: u64,
    charge: u64,
    segment_bytes: u64,
    /// Offsets are missing between the last message and the next: they count up within a segment.
    has_gap: bool,
    /// Messages at the very front that are lost.
    lost_first: Vec<Reference>,
}

#[derive(Debug)]
struct Segment {
    first_offset: u64,
    bytes: u64,
    charge: u64,
    /// The offsets count up from the first one.
    entries: Vec<Entry>,
    /// Messages behind these, and before the next segment, that are lost.
    lost: Vec<Reference>,
}

/// A message in the log.
#[derive(Debug)]
pub(super) struct Entry {
    /// The time since 1970; never less than that of the entry before.
    at: Duration,
    /// What the journal knows it by, if it keeps it.
    reference: Option<Reference>,
    pub(super) message: Arc<PublishedMessage>,
}

impl Entry {
    #[cfg(test)]
    pub(super) fn reference(&self) -> Option<Reference> {
        self.reference
    }
}

/// How much is kept; each none is no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    /// Bytes in all segments.
    pub(super) bytes: Option<u64>,
    /// The age of the last message of a segment.
    pub(super) age: Option<Duration>,
}

impl Log {
    /// An empty log, a segment of which is full at so many bytes.
    pub(super) fn new(segment_bytes: u64) -> Self {
        Self {
            segments: VecDeque::new(),
            next_offset: 0,
            bytes: 0,
            charge: 0,
            segment_bytes,
            has_gap: false,
            lost_first: Vec::new(),
        }
    }

    /// How many messages are kept.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.next_offset - self.first_offset()).unwrap_or(usize::MAX)
    }

    /// The offset of the first message that is kept; of the next one if there is none.
    pub(super) fn first_offset(&self) -> u64 {
        self.segments.front().map_or(self.next_offset, |segment| segment.first_offset)
    }

    /// The offset of the last message; of the next one if there is none.
    pub(super) fn last_offset(&self) -> u64 {
        if self.segments.is_empty() { self.next_offset } else { self.next_offset - 1 }
    }

    /// The offset that the next message gets.
    pub(super) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// The memory of all messages, in bytes.
    pub(super) fn charge(&self) -> u64 {
        self.charge
    }

    /// Whether there are segments beside the one that is written to.
    pub(super) fn has_old_segments(&self) -> bool {
        self.segments.len() > 1
    }

    /// Puts a message at the end, at this time since 1970; whether it began a segment.
    pub(super) fn append(
        &mut self,
        message: Arc<PublishedMessage>,
        charge: u32,
        reference: Option<Reference>,
        at: Duration,
    ) -> bool {
        let is_full = |last: &Segment| last.bytes >= self.segment_bytes;
        let has_rolled = self.has_gap || self.segments.back().is_none_or(is_full);
        if has_rolled {
            self.begin_segment();
        }
        let bytes = size(&message);
        if let Some(last) = self.segments.back_mut() {
            last.entries.push(Entry { at, reference, message });
            last.bytes += bytes;
            last.charge += u64::from(charge);
            self.next_offset += 1;
            self.bytes += bytes;
            self.charge += u64::from(charge);
        }
        has_rolled
    }

    /// Begins a segment with the next message.
    fn begin_segment(&mut self) {
        if let Some(full) = self.segments.back_mut() {
            full.entries.shrink_to_fit();
        }
        self.segments.push_back(Segment::beginning_at(self.next_offset));
        self.has_gap = false;
    }

    /// The log begins with this offset: nothing is in it yet.
    pub(super) fn start_at(&mut self, offset: u64) {
        self.next_offset = self.next_offset.max(offset);
    }

    /// A message is lost, but its offset is nobody else's, and the journal counts it until those
    /// before it are gone.
    pub(super) fn skip(&mut self, reference: Reference) {
        self.next_offset += 1;
        self.has_gap = true;
        let lost = self.segments.back_mut().map_or(&mut self.lost_first, |last| &mut last.lost);
        lost.push(reference);
    }

    /// The time of the last message.
    pub(super) fn last_at(&self) -> Duration {
        self.segments.back().map_or(Duration::ZERO, Segment::last_at)
    }

    /// The entries from this offset on; none from one that is not kept.
    pub(super) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let offset = offset.min(self.next_offset);
        // It is in the last segment that begins there or before.
        let after = self.segments.partition_point(|segment| segment.first_offset <= offset);
        let begun = after.checked_sub(1).and_then(|at| self.segments.get(at));
        let rest = if begun.is_some() { after } else { self.segments.len() };
        let rest = self.segments.range(rest..).flat_map(|segment| segment.entries_from(0));
        begun.into_iter().flat_map(move |segment| segment.entries_from(offset)).chain(rest)
    }

    /// The offset of the first message of this time since 1970 or later; of the next one if there
    /// is none.
    pub(super) fn offset_at(&self, time: Duration) -> u64 {
        let before = self.segments.partition_point(|segment| segment.last_at() < time);
        let Some(segment) = self.segments.get(before) else { return self.next_offset };
        let within = segment.entries.partition_point(|entry| entry.at < time);
        segment.first_offset + u64::try_from(within).unwrap_or(u64::MAX)
    }

    /// When the first segment is older than this; none if it is the one that is written to.
    pub(super) fn too_old_at(&self, age: Duration) -> Option<Duration> {
        let first = self.segments.front().filter(|_| self.has_old_segments())?;
        Some(first.last_at().saturating_add(age))
    }

    /// Drops segments from the front as long as there are too many bytes, or they are too old;
    /// `now` is the time since 1970.
    /// Whether there were any.
    pub(super) fn retain(
        &mut self,
        retention: Retention,
        now: impl Fn() -> Duration,
        settled: &mut SettledReferences,
    ) -> bool {
        let before = self.first_offset();
        while self.has_old_segments() {
            let is_too_much = retention.bytes.is_some_and(|max| self.bytes > max);
            let is_too_old = |age| self.too_old_at(age).is_some_and(|due| due <= now());
            if !is_too_much && !retention.age.is_some_and(is_too_old) {
                break;
            }
            if let Some(dropped) = self.segments.pop_front() {
                self.bytes -= dropped.bytes;
                self.charge -= dropped.charge;
                settled.extend(std::mem::take(&mut self.lost_first));
                dropped.settle(settled);
            }
        }
        self.first_offset() != before
    }

    /// Drops everything; the offsets go on.
    pub(super) fn clear(&mut self, settled: &mut SettledReferences) {
        settled.extend(std::mem::take(&mut self.lost_first));
        for segment in self.segments.drain(..) {
            segment.settle(settled);
        }
        (self.bytes, self.charge) = (0, 0);
    }
}

impl Segment {
    fn beginning_at(first_offset: u64) -> Self {
        Self { first_offset, bytes: 0, charge: 0, entries: Vec::new(), lost: Vec::new() }
    }

    /// Its entries from this offset on.
    fn entries_from(&self, offset: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let offset = offset.max(self.first_offset);
        let within = usize::try_from(offset - self.first_offset).unwrap_or(usize::MAX);
        (offset..).zip(self.entries.get(within..).unwrap_or_default())
    }

    fn settle(self, settled: &mut SettledReferences) {
        settled.extend(self.entries.into_iter().filter_map(|entry| entry.reference));
        settled.extend(self.lost);
    }

    fn last_at(&self) -> Duration {
        self.entries.last().map_or(Duration::ZERO, |entry| entry.at)
    }
}

/// What a message counts for in the log, in bytes.
fn size(message: &PublishedMessage) -> u64 {
    let message = &message.message;
    let bytes = message.properties.encoded_len() + message.body.len();
    ENTRY_BYTES + u64::try_from(bytes).unwrap_or(u64::MAX)
}
