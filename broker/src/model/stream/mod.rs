//! A stream: a log that consumers read, each from a place of its own, and do not empty.
//!
//! Pure, as [`Queue`](super::queue::Queue) is: the engine puts one lock round it and tells it the
//! time.

mod interval;
mod log;
mod offset;
mod readers;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use interval::interval;
pub(crate) use offset::StreamOffset;

use super::ids::ConsumerId;
use super::message::PublishedMessage;
use super::now::Now;
use super::pager::{Pager, READ_AGAIN_AFTER};
use super::queue::{
    JournalChanges, PageOut, QueueConsumer, QueueSettings, SettledReferences, Wakeups,
};
use super::stored::{Place, Reference};
use log::{Log, Reading, Retention};
use readers::Readers;

/// The size of a segment where `x-stream-max-segment-size-bytes` does not say another. RabbitMQ's
/// have 500 MB, on disk; these may be memory, and what is too old or too much goes by segments.
const SEGMENT_BYTES: u64 = 1 << 20;

/// A stream as a state machine.
///
/// **Inputs** change it: [`append`](Self::append), [`add_consumer`](Self::add_consumer),
/// [`settled`](Self::settled) and the like, and the time: [`advance`](Self::advance), which comes
/// before every other. **Outputs**: [`dispatch`](Self::dispatch) hands each consumer what follows
/// its place in the log, as far as its prefetch goes, and lists the readers to wake;
/// [`next_due`](Self::next_due) says when time changes something again, and
/// [`take_changes`](Self::take_changes) what the journal is to know.
///
/// Whatever a consumer says to a message, it has got it: the message stays where it is, is never
/// delivered to that consumer again, and goes when its segment does.
#[derive(Debug)]
pub(crate) struct Stream {
    settings: Arc<QueueSettings>,
    /// The wall-clock time at the start of the clock that tells the time here.
    epoch: Duration,
    log: Log,
    readers: Readers,
    changes: JournalChanges,
    /// Where messages are that are not in memory.
    pager: Option<Arc<dyn Pager>>,
    /// The offsets of messages that could not be read back, and are not tried again yet: consumers wait
    /// there, one each at the most.
    unread: BTreeSet<u64>,
    /// Until when they are not.
    read_again_at: Option<Duration>,
}

impl Stream {
    /// An empty stream; `epoch` is the time since 1970 at the start of the clock.
    pub(crate) fn new(settings: Arc<QueueSettings>, epoch: Duration) -> Self {
        let log = Log::new(settings.segment_bytes.unwrap_or(SEGMENT_BYTES));
        Self {
            settings,
            epoch,
            log,
            readers: Readers::default(),
            changes: JournalChanges::default(),
            pager: None,
            unread: BTreeSet::new(),
            read_again_at: None,
        }
    }

    /// The same, the messages of which can be read back through the pager and need not be in memory.
    #[must_use]
    pub(crate) fn with_pager(self, pager: Option<Arc<dyn Pager>>) -> Self {
        Self { pager, ..self }
    }

    #[cfg(test)]
    pub(crate) fn settings(&self) -> &Arc<QueueSettings> {
        &self.settings
    }

    /// From now on these hold: a policy has changed. What is too much then goes at once.
    pub(crate) fn apply(&mut self, settings: Arc<QueueSettings>, now: &Now<'_>) {
        self.settings = settings;
        self.drop_excess(now);
    }

    /// All messages in the log, whoever has read them.
    pub(crate) fn message_count(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn consumer_count(&self) -> usize {
        self.readers.len()
    }

    /// The memory of all messages, in bytes.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.log.charge()
    }

    /// Takes messages out of memory that can be read back, if there are many.
    pub(crate) fn page_out(&mut self, how: PageOut) {
        if let Some(pager) = self.pager.as_deref() {
            self.log.page_out(pager, how);
        }
    }

    /// The time has come so far: segments that are too old go.
    pub(crate) fn advance(&mut self, now: &Now<'_>) {
        if self.read_again_at.is_some_and(|again_at| again_at <= now.get()) {
            self.read_again_at = None;
            self.unread.clear();
            self.readers.all_are_due();
        }
        if self.settings.max_age.is_some() && self.log.has_old_segments() {
            // How many bytes there are is looked at when a segment begins, as on RabbitMQ.
            self.retain(Retention { bytes: None, ..self.retention() }, now);
        }
    }

    /// When time changes something here again.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let too_old_at = self.settings.max_age.and_then(|age| self.log.too_old_at(age));
        let too_old_at = too_old_at.map(|due| due.saturating_sub(self.epoch));
        [too_old_at, self.read_again_at].into_iter().flatten().min()
    }

    /// If the disk did not give what was wanted, that is left alone for a while.
    pub(crate) fn pause_reading(&mut self, now: &Now<'_>) {
        if !self.unread.is_empty() && self.read_again_at.is_none() {
            self.read_again_at = Some(now.get().saturating_add(READ_AGAIN_AFTER));
        }
    }

    /// What the journal is to know of what has happened since this was last asked.
    pub(crate) fn take_changes(&mut self) -> JournalChanges {
        std::mem::take(&mut self.changes)
    }

    /// Nothing is in it yet, and it goes on with this offset, as before the broker was started.
    pub(crate) fn restore_start(&mut self, offset: u64) {
        self.log.start_at(offset);
    }

    /// Puts a message to the end, without its content, that was there before the broker was started,
    /// and was published at this time since 1970. They come in their order. How much there is is
    /// looked at when the next segment begins, as ever.
    pub(crate) fn restore(&mut self, place: Place, reference: Reference, published_at: Duration) {
        self.log.append_cold(place, reference, published_at);
    }

    /// Puts a message at the end. `charge` is this stream's share of its memory, in bytes, and
    /// `reference` what the journal knows it by, if it keeps it.
    pub(crate) fn append(
        &mut self,
        message: Arc<PublishedMessage>,
        charge: u32,
        reference: Option<Reference>,
        now: &Now<'_>,
    ) {
        let has_rolled = self.log.append(message, charge, reference, self.wall_clock(now));
        if has_rolled {
            self.drop_excess(now);
        }
        self.readers.all_are_due();
    }

    /// Adds a consumer that begins at `offset`.
    pub(crate) fn add_consumer(
        &mut self,
        consumer: QueueConsumer,
        offset: StreamOffset,
        now: &Now<'_>,
    ) {
        let position = offset.resolve(&self.log, || self.wall_clock(now));
        self.readers.add(consumer, position);
    }

    /// Removes a consumer, with its place.
    pub(crate) fn remove_consumer(&mut self, id: ConsumerId) -> Option<QueueConsumer> {
        self.readers.remove(id)
    }

    /// A consumer has settled so many deliveries, in whatever way: it may have more.
    pub(crate) fn settled(&mut self, consumer: ConsumerId, count: usize) {
        self.readers.settled(consumer, u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// The outlets of these consumers may take messages again.
    pub(crate) fn resume(&mut self, ids: &[ConsumerId]) {
        self.readers.resume(ids);
    }

    /// Hands each consumer what follows its place, until it has no credit or no room.
    pub(crate) fn dispatch(&mut self, wakeups: &mut Wakeups) {
        let Self { log, readers, pager, unread, .. } = self;
        let mut reading = Reading { pager: pager.as_deref(), unread };
        readers.serve(log, &mut reading, wakeups);
    }

    /// Ends the stream: its consumers, to be told, and the messages that are done with.
    pub(crate) fn delete(&mut self) -> (Vec<QueueConsumer>, SettledReferences) {
        let mut settled = self.take_changes().settled;
        self.log.clear(&mut settled);
        (self.readers.drain(), settled)
    }

    /// What is in it: offsets, and what the journal knows these by.
    #[cfg(test)]
    pub(crate) fn contents(&self) -> Vec<(u64, Option<Reference>)> {
        self.log.contents()
    }

    fn drop_excess(&mut self, now: &Now<'_>) {
        self.retain(self.retention(), now);
    }

    fn retention(&self) -> Retention {
        Retention { bytes: self.settings.limits.bytes, age: self.settings.max_age }
    }

    fn retain(&mut self, retention: Retention, now: &Now<'_>) {
        let epoch = self.epoch;
        let settled = &mut self.changes.settled;
        if self.log.retain(retention, || epoch.saturating_add(now.get()), settled) {
            self.changes.stream_start = Some(self.log.first_offset());
        }
    }

    fn wall_clock(&self, now: &Now<'_>) -> Duration {
        self.epoch.saturating_add(now.get())
    }
}
