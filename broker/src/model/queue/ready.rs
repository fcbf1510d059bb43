use std::sync::Arc;
use std::time::Duration;

use super::QueueMessage;
use super::changes::SettledReferences;
use super::level::{Level, Reading};
use super::message::Expires;
use super::run::ColdMessage;
use super::shelf::{Shelved, shelved_bytes};
use crate::model::pager::Pager;

/// What a message that is on the disk alone counts for in memory, in bytes: its place in the index,
/// with an expiry.
const COLD_BYTES: u64 = 16;

/// What a run counts for beside its messages, in bytes: itself, and that its list is one of its own.
const RUN_BYTES: u64 = 112;

/// The messages that wait for a consumer: the highest priority first, then by position.
///
/// Expired messages are never handed out: whoever takes the first one passes over them, and they
/// are left for the queue in [`take_expired`](Self::take_expired). Those behind a live one stay, and
/// count, until they are first, as in RabbitMQ.
///
/// Where there is much, what the journal has is [taken out of memory](Self::page_out), and read back
/// by whoever takes messages.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// By priority, as far as there were messages; without priorities just one.
    levels: Vec<Level>,
    occupied: Occupied,
    counts: Counts,
    /// What is older than this has expired.
    now: Option<Expires>,
    expired: Vec<QueueMessage>,
    /// Where messages are that are not in memory.
    pager: Option<Arc<dyn Pager>>,
    /// Something could not be read back: nothing is, until it is tried [again](Self::read_again).
    is_unread: bool,
}

/// How much of the messages that the journal has is taken out of memory, of each priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageOut {
    /// Bytes of messages that stay at the front, for a consumer that comes; at least one message.
    pub(crate) warm_bytes: u64,
    /// Bytes behind these that are not worth it.
    pub(crate) least_bytes: u64,
    /// Bytes of messages that stay of those that came back; at least one message.
    pub(crate) shelved_bytes: u64,
}

impl PageOut {
    /// All but the first ones.
    pub(crate) const BUT_THE_FRONT: Self =
        Self { warm_bytes: 64 << 10, least_bytes: 32 << 10, shelved_bytes: 64 << 10 };

    /// As much as can be: there is little room left.
    pub(crate) const ALL: Self =
        Self { warm_bytes: 0, least_bytes: 4 << 10, shelved_bytes: 16 << 10 };
}

/// What all levels have together.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) len: usize,
    /// The bytes of all bodies.
    pub(super) body_bytes: u64,
    /// How many can expire.
    pub(super) mortal: usize,
    /// How many are on the disk alone, in runs and on shelves.
    pub(super) cold: usize,
    pub(super) shelved: usize,
    /// What the others are charged with.
    pub(super) warm_charge: u64,
}

impl Counts {
    pub(super) fn add(&mut self, message: &QueueMessage) {
        self.len += 1;
        self.body_bytes += message.body_len();
        self.mortal += usize::from(message.expires != Expires::NEVER);
        self.warm_charge += u64::from(message.charge);
    }

    fn remove(&mut self, message: &QueueMessage) {
        self.len -= 1;
        self.body_bytes -= message.body_len();
        self.mortal -= usize::from(message.expires != Expires::NEVER);
        self.warm_charge -= u64::from(message.charge);
    }

    fn add_shelved(&mut self, message: &ColdMessage) {
        self.len += 1;
        self.body_bytes += message.body_len;
        self.mortal += usize::from(message.expires != Expires::NEVER);
        self.shelved += 1;
    }

    pub(super) fn remove_shelved(&mut self, message: &ColdMessage) {
        self.len -= 1;
        self.body_bytes -= message.body_len;
        self.mortal -= usize::from(message.expires != Expires::NEVER);
        self.shelved -= 1;
    }
}

impl Ready {
    /// None yet; what is taken out of memory is read back through the pager.
    pub(super) fn with_pager(pager: Option<Arc<dyn Pager>>) -> Self {
        Self { pager, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.len == 0
    }

    /// The bytes of all bodies.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.counts.body_bytes
    }

    /// The memory of all of them, in bytes.
    pub(crate) fn charge(&self) -> u64 {
        let passed_over: u64 = self.expired.iter().map(|message| u64::from(message.charge)).sum();
        let cold = u64::try_from(self.counts.cold).unwrap_or(u64::MAX);
        let cold = cold.saturating_mul(COLD_BYTES) + self.run_bytes();
        self.counts.warm_charge + passed_over + cold + shelved_bytes(self.counts.shelved)
    }

    /// A queue may have a run for each segment, with few messages.
    fn run_bytes(&self) -> u64 {
        if self.counts.cold == 0 {
            return 0;
        }
        let runs = self.levels.iter().map(Level::run_count).sum::<usize>();
        u64::try_from(runs).unwrap_or(u64::MAX).saturating_mul(RUN_BYTES)
    }

    /// Whether any of them can expire.
    pub(crate) fn has_mortals(&self) -> bool {
        self.counts.mortal > 0
    }

    /// Whether expired messages were passed over and not taken yet.
    pub(crate) fn has_passed_over(&self) -> bool {
        !self.expired.is_empty()
    }

    /// The time has come so far: what has expired by now is not handed out any more. None lets
    /// everything live.
    pub(crate) fn set_now(&mut self, now: Option<Duration>) {
        self.now = now.map(Expires::at);
    }

    /// Puts a message to the end of its priority.
    pub(crate) fn push_back(&mut self, message: QueueMessage) {
        self.counts.add(&message);
        if let Some(level) = self.level_for(message.priority) {
            level.push_back(message);
        }
    }

    /// Puts a message back to where its priority and position say.
    pub(crate) fn put_back(&mut self, message: QueueMessage) {
        self.put_back_shelved(Shelved::Warm(message));
    }

    /// The same for one that may be on the disk alone.
    pub(super) fn put_back_shelved(&mut self, message: Shelved) {
        let (priority, position) = match &message {
            Shelved::Warm(message) => {
                self.counts.add(message);
                (message.priority, message.position)
            }
            Shelved::Cold(message) => {
                self.counts.add_shelved(message);
                (message.priority, message.position)
            }
        };
        if let Some(level) = self.level_for(priority) {
            level.put_back(position, message);
        }
    }

    /// Adds a message that is on the disk alone. They may come in any order, and
    /// [`restored`](Self::restored) is to follow before anything else.
    pub(super) fn restore(&mut self, message: &ColdMessage) {
        self.counts.len += 1;
        self.counts.cold += 1;
        self.counts.body_bytes += message.body_len;
        self.counts.mortal += usize::from(message.expires != Expires::NEVER);
        if let Some(level) = self.level_for(message.priority) {
            level.push_cold(message);
        }
    }

    /// All that was in the queue is there again.
    pub(super) fn restored(&mut self) {
        self.levels.iter_mut().for_each(Level::sort_cold);
    }

    /// Where messages are that are not in memory.
    pub(super) fn pager(&self) -> Option<&dyn Pager> {
        self.pager.as_deref()
    }

    /// Whether there is a message that can be taken; it may have expired, or turn out to be lost.
    pub(super) fn has_next(&self) -> bool {
        !self.is_empty() && !self.is_stuck()
    }

    /// Whether the first message could not be read back, and is not tried again yet.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_unread && self.first_level().is_some_and(Level::begins_cold)
    }

    /// Whether something could not be read back, and is not tried again yet.
    pub(super) fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// What could not be read back is tried again.
    pub(super) fn read_again(&mut self) {
        self.is_unread = false;
    }

    /// Takes the first message that has not expired; none if it can't be read now, too.
    pub(crate) fn pop_front(&mut self) -> Option<QueueMessage> {
        loop {
            let message = self.pop_any()?;
            if self.now.is_some_and(|now| message.expires.is_over(now)) {
                self.expired.push(message);
            } else {
                return Some(message);
            }
        }
    }

    /// Takes the first message, expired or not.
    pub(crate) fn pop_any(&mut self) -> Option<QueueMessage> {
        loop {
            let priority = self.occupied.highest()?;
            let level = self.levels.get_mut(usize::from(priority))?;
            let Self { pager, counts, is_unread, .. } = self;
            let pager = pager.as_deref();
            let message = level.pop_front(&mut Reading { pager, counts, is_unread });
            if level.is_empty() {
                self.occupied.remove(priority);
            } else {
                // Without one, it can't be read now.
                message.as_ref()?;
            }
            // Without one, the rest of this priority is lost.
            if let Some(message) = message {
                self.counts.remove(&message);
                return Some(message);
            }
        }
    }

    /// Takes the expired ones that stand first, `max` at the most with those that were passed
    /// over.
    pub(crate) fn take_expired(&mut self, max: usize) -> Vec<QueueMessage> {
        if let Some(now) = self.now.filter(|_| self.counts.mortal > 0) {
            while self.expired.len() < max
                && self.first_expires().is_some_and(|first| first.is_over(now))
            {
                let Some(message) = self.pop_any() else { break };
                self.expired.push(message);
            }
        }
        std::mem::take(&mut self.expired)
    }

    /// When the first message expires, if it can be read then.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        if self.counts.mortal == 0 || self.is_stuck() {
            return None;
        }
        self.first_expires()?.time()
    }

    /// Takes all messages out, which are settled.
    pub(crate) fn settle_all(&mut self, settled: &mut SettledReferences) {
        let empty = Self::with_pager(self.pager.clone());
        let Self { levels, expired, .. } = std::mem::replace(self, empty);
        for level in levels {
            level.settle_all(settled);
        }
        for message in expired {
            settled.add(message.reference);
        }
    }

    /// Takes messages out of memory that the journal has, the newest first, if there are many.
    pub(crate) fn page_out(&mut self, how: PageOut) {
        let PageOut { warm_bytes, least_bytes, .. } = how;
        let is_worth_it = self.counts.warm_charge > warm_bytes + least_bytes;
        let Some(pager) = self.pager.as_deref().filter(|_| is_worth_it) else { return };
        for level in &mut self.levels {
            level.page_out(pager, how, &mut self.counts);
        }
    }

    /// How many messages are on the disk alone, and the memory that their index takes, in bytes.
    #[cfg(test)]
    pub(crate) fn cold(&self) -> (usize, usize) {
        (self.counts.cold + self.counts.shelved, self.levels.iter().map(Level::index_bytes).sum())
    }

    /// All of them, in their order, without reading any.
    #[cfg(test)]
    pub(super) fn contents(&self) -> Vec<super::contents::Content> {
        self.levels.iter().rev().flat_map(Level::contents).collect()
    }

    fn first_expires(&self) -> Option<Expires> {
        self.first_level()?.first_expires()
    }

    /// The level with the first message.
    fn first_level(&self) -> Option<&Level> {
        self.levels.get(usize::from(self.occupied.highest()?))
    }

    /// The level of a priority, which is to get a message.
    fn level_for(&mut self, priority: u8) -> Option<&mut Level> {
        let at = usize::from(priority);
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Level::default);
        }
        self.occupied.insert(priority);
        self.levels.get_mut(at)
    }
}

/// The priorities that have messages: a bit for each of the 256.
#[derive(Debug, Default, Clone, Copy)]
struct Occupied([u64; 4]);

impl Occupied {
    fn insert(&mut self, priority: u8) {
        if let Some(word) = self.0.get_mut(usize::from(priority >> 6)) {
            *word |= 1 << (priority & 63);
        }
    }

    fn remove(&mut self, priority: u8) {
        if let Some(word) = self.0.get_mut(usize::from(priority >> 6)) {
            *word &= !(1 << (priority & 63));
        }
    }

    fn highest(self) -> Option<u8> {
        let (at, word) = (0u8..4).zip(self.0).rev().find(|(_, word)| *word != 0)?;
        u8::try_from(u64::BITS - 1 - word.leading_zeros()).ok().map(|bit| at * 64 + bit)
    }
}
