use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::model::message::PublishedMessage;
use crate::model::pager::{Pager, ReadBack};
use crate::model::queue::{PageOut, SettledReferences};
use crate::model::stored::{Place, Reference};

/// What an entry counts for beside its message's properties and body, in bytes: as much as the
/// header of a chunk on RabbitMQ's disk. Without it empty messages would fill a stream for ever.
const ENTRY_BYTES: u64 = 48;

/// What a message counts for in memory that is on the disk alone, in bytes.
const COLD_BYTES: u64 = 32;

/// Bytes of a journal's segment that are read back together.
const READ_AT_ONCE_BYTES: u32 = 256 << 10;

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
    /// Of that, what those count for that are in memory.
    warm_charge: u64,
    /// What is before this offset is on the disk alone, if it can be.
    paged_to: u64,
    segment_bytes: u64,
}

#[derive(Debug)]
struct Segment {
    first_offset: u64,
    bytes: u64,
    /// The offsets count up from the first one.
    entries: Vec<Entry>,
}

/// A message in the log.
#[derive(Debug)]
struct Entry {
    /// Nanoseconds since 1970; never less than those of the entry before.
    at: u64,
    /// What the journal knows it by, if it keeps it.
    reference: Option<Reference>,
    content: Content,
}

/// Where an entry's message is.
#[derive(Debug)]
enum Content {
    Warm {
        charge: u32,
        message: Arc<PublishedMessage>,
    },
    /// On the disk alone: in this segment of the journal.
    Cold {
        segment: u32,
        offset: u32,
    },
    /// Nowhere any more; its offset is nobody else's.
    Lost,
}

impl Content {
    /// What it counts for in memory, in bytes.
    fn charge(&self) -> u64 {
        match self {
            Self::Warm { charge, .. } => u64::from(*charge),
            Self::Cold { .. } | Self::Lost => COLD_BYTES,
        }
    }

    fn warm_charge(&self) -> u64 {
        if let Self::Warm { charge, .. } = self { u64::from(*charge) } else { 0 }
    }
}

/// A message of the log as it is read.
#[derive(Debug)]
pub(super) struct ReadMessage {
    pub(super) offset: u64,
    /// The memory that the log does not count, in bytes: it was read back, for one reader.
    pub(super) charge: u32,
    pub(super) message: Arc<PublishedMessage>,
}

/// How messages are read that are on the disk alone.
#[derive(Debug)]
pub(super) struct Reading<'r> {
    pub(super) pager: Option<&'r dyn Pager>,
    /// The offsets of messages that could not be read: they are not, until it is tried again.
    pub(super) unread: &'r mut BTreeSet<u64>,
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
            warm_charge: 0,
            paged_to: 0,
            segment_bytes,
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
        let bytes = size(&message);
        self.push(
            Entry { at: nanoseconds(at), reference, content: Content::Warm { charge, message } },
            bytes,
        )
    }

    /// Puts a message at the end that is on the disk alone.
    pub(super) fn append_cold(&mut self, place: Place, reference: Reference, at: Duration) {
        let Place { segment, offset, length } = place;
        let at = nanoseconds(at.max(self.last_at()));
        let entry =
            Entry { at, reference: Some(reference), content: Content::Cold { segment, offset } };
        // Its record has little more than its properties and its body.
        self.push(entry, u64::from(length));
    }

    /// Puts an entry of so many bytes to the end; whether it began a segment.
    fn push(&mut self, entry: Entry, bytes: u64) -> bool {
        let is_full = |last: &Segment| last.bytes >= self.segment_bytes;
        let has_rolled = self.segments.back().is_none_or(is_full);
        if has_rolled {
            self.begin_segment();
        }
        if let Some(last) = self.segments.back_mut() {
            let charge = entry.content.charge();
            self.warm_charge += entry.content.warm_charge();
            last.entries.push(entry);
            last.bytes += bytes;
            self.next_offset += 1;
            self.bytes += bytes;
            self.charge += charge;
        }
        has_rolled
    }

    /// Begins a segment with the next message.
    fn begin_segment(&mut self) {
        if let Some(full) = self.segments.back_mut() {
            full.entries.shrink_to_fit();
        }
        self.segments.push_back(Segment::beginning_at(self.next_offset));
    }

    /// The log begins with this offset: nothing is in it yet.
    pub(super) fn start_at(&mut self, offset: u64) {
        self.next_offset = self.next_offset.max(offset);
    }

    /// The time of the last message.
    pub(super) fn last_at(&self) -> Duration {
        self.segments.back().map_or(Duration::ZERO, Segment::last_at)
    }

    /// Messages from this offset on that are in memory or can be read together, `max` at the most;
    /// none if there are none, or they can't be read now.
    pub(super) fn read(
        &mut self,
        from: u64,
        max: usize,
        reading: &mut Reading<'_>,
    ) -> Vec<ReadMessage> {
        let mut from = from;
        loop {
            let is_lost = |(_, entry): &(u64, &Entry)| matches!(entry.content, Content::Lost);
            let Some((first, entry)) = self.from(from).find(|entry| !is_lost(entry)) else {
                return Vec::new();
            };
            let warm = |(offset, entry): (u64, &Entry)| match &entry.content {
                Content::Warm { message, .. } => {
                    Some(ReadMessage { offset, charge: 0, message: Arc::clone(message) })
                }
                Content::Cold { .. } | Content::Lost => None,
            };
            if !matches!(entry.content, Content::Cold { .. }) {
                return self.from(first).map_while(warm).take(max).collect();
            }
            match self.read_back(first, max, reading) {
                // They are lost.
                Some(read) if read.is_empty() => from = first,
                read => return read.unwrap_or_default(),
            }
        }
    }

    /// Reads messages back from this offset on that lie together; none if the first can't be read now.
    fn read_back(
        &mut self,
        from: u64,
        max: usize,
        reading: &mut Reading<'_>,
    ) -> Option<Vec<ReadMessage>> {
        let Some(pager) = reading.pager.filter(|_| !reading.unread.contains(&from)) else {
            reading.unread.insert(from);
            return None;
        };
        let mut first = None;
        let place = |(_, entry): (u64, &Entry)| {
            let Content::Cold { segment, offset } = entry.content else { return None };
            let (of_first, start) = *first.get_or_insert((segment, offset));
            let is_near = segment == of_first
                && (start..start.saturating_add(READ_AT_ONCE_BYTES)).contains(&offset);
            Some((entry.reference.filter(|_| is_near)?, offset))
        };
        let places: Vec<_> = self.from(from).map_while(place).take(max).collect();
        let segment = first.map_or(0, |(segment, _)| segment);
        let mut messages = Vec::with_capacity(places.len());
        let mut is_read = false;
        for (offset, read) in (from..).zip(pager.read(segment, &places)) {
            match read {
                ReadBack::Message(message) => {
                    let charge = u32::try_from(message.charge()).unwrap_or(u32::MAX);
                    messages.push(ReadMessage { offset, charge, message: Arc::new(message) });
                }
                ReadBack::Lost => {
                    if let Some(entry) = self.entry_mut(offset) {
                        entry.content = Content::Lost;
                    }
                }
                ReadBack::NotNow => break,
            }
            is_read = true;
        }
        if !is_read {
            reading.unread.insert(from);
        }
        is_read.then_some(messages)
    }

    /// Takes messages out of memory that the journal has, the oldest first: the newest are those that
    /// most read.
    pub(super) fn page_out(&mut self, pager: &dyn Pager, how: PageOut) {
        if self.warm_charge <= how.warm_bytes + how.least_bytes {
            return;
        }
        let mut offset = self.paged_to.max(self.first_offset());
        while self.warm_charge > how.warm_bytes {
            let Some(entry) = self.entry_mut(offset) else { break };
            if let Content::Warm { message, .. } = &entry.content
                && let Some(stored) = message.stored().filter(|_| entry.reference.is_some())
            {
                if !pager.is_written(stored.end) {
                    break;
                }
                let Place { segment, offset, .. } = stored.place;
                let before =
                    std::mem::replace(&mut entry.content, Content::Cold { segment, offset });
                self.warm_charge -= before.warm_charge();
                self.charge = self.charge + COLD_BYTES - before.charge();
            }
            offset += 1;
        }
        self.paged_to = offset;
    }

    fn entry_mut(&mut self, offset: u64) -> Option<&mut Entry> {
        let after = self.segments.partition_point(|segment| segment.first_offset <= offset);
        let segment = self.segments.get_mut(after.checked_sub(1)?)?;
        let within = usize::try_from(offset - segment.first_offset).ok()?;
        segment.entries.get_mut(within)
    }

    /// What is in it: offsets, and what the journal knows these by.
    #[cfg(test)]
    pub(super) fn contents(&self) -> Vec<(u64, Option<Reference>)> {
        let all = self.from(self.first_offset());
        all.map(|(offset, entry)| (offset, entry.reference)).collect()
    }

    /// The entries from this offset on; none from one that is not kept.
    fn from(&self, offset: u64) -> impl Iterator<Item = (u64, &Entry)> {
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
        let time = nanoseconds(time);
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
                for Entry { reference, content, .. } in dropped.entries {
                    self.charge -= content.charge();
                    self.warm_charge -= content.warm_charge();
                    settled.add(reference);
                }
            }
        }
        self.first_offset() != before
    }

    /// Drops everything; the offsets go on.
    pub(super) fn clear(&mut self, settled: &mut SettledReferences) {
        for segment in self.segments.drain(..) {
            settled.extend(segment.entries.iter().filter_map(|entry| entry.reference));
        }
        (self.bytes, self.charge, self.warm_charge) = (0, 0, 0);
    }
}

impl Segment {
    fn beginning_at(first_offset: u64) -> Self {
        Self { first_offset, bytes: 0, entries: Vec::new() }
    }

    /// Its entries from this offset on.
    fn entries_from(&self, offset: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let offset = offset.max(self.first_offset);
        let within = usize::try_from(offset - self.first_offset).unwrap_or(usize::MAX);
        (offset..).zip(self.entries.get(within..).unwrap_or_default())
    }

    fn last_at(&self) -> Duration {
        self.entries.last().map_or(Duration::ZERO, |entry| Duration::from_nanos(entry.at))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What a message counts for in the log, in bytes.
fn size(message: &PublishedMessage) -> u64 {
    let message = &message.message;
    let bytes = message.properties.encoded_len() + message.body.len();
    ENTRY_BYTES + u64::try_from(bytes).unwrap_or(u64::MAX)
}
