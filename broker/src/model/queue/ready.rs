use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::QueueMessage;
use super::message::Expires;

/// The messages that wait for a consumer: the highest priority first, then by position.
///
/// Expired messages are never handed out: whoever takes the first one passes over them, and they
/// are left for the queue in [`take_expired`](Self::take_expired). Those behind a live one stay, and
/// count, until they are first, as in RabbitMQ.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// By priority, as far as there were messages; without priorities just one.
    levels: Vec<Level>,
    occupied: Occupied,
    len: usize,
    body_bytes: u64,
    /// How many can expire.
    mortal: usize,
    /// What is older than this has expired.
    now: Option<Expires>,
    expired: Vec<QueueMessage>,
}

impl Ready {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of all bodies.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// Whether any of them can expire.
    pub(crate) fn has_mortals(&self) -> bool {
        self.mortal > 0
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
        if let Some(level) = self.level_for(&message) {
            debug_assert!(level.fresh.back().is_none_or(|last| last.position < message.position));
            level.fresh.push_back(message);
        }
    }

    /// Puts a message back to where its priority and position say.
    pub(crate) fn put_back(&mut self, message: QueueMessage) {
        if let Some(level) = self.level_for(&message) {
            level.returned.insert(message.position, message);
        }
    }

    /// Takes the first message that has not expired.
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
        let priority = self.occupied.highest()?;
        let level = self.levels.get_mut(usize::from(priority))?;
        let message = level.pop_front()?;
        if level.is_empty() {
            self.occupied.remove(priority);
        }
        self.len -= 1;
        self.body_bytes -= message.body_len();
        self.mortal -= usize::from(message.expires != Expires::NEVER);
        Some(message)
    }

    /// Takes the expired ones that stand first, `max` at the most with those that were passed
    /// over.
    pub(crate) fn take_expired(&mut self, max: usize) -> Vec<QueueMessage> {
        if let Some(now) = self.now.filter(|_| self.mortal > 0) {
            while self.expired.len() < max
                && self.front().is_some_and(|first| first.expires.is_over(now))
            {
                let Some(message) = self.pop_any() else { break };
                self.expired.push(message);
            }
        }
        std::mem::take(&mut self.expired)
    }

    /// When the first message expires.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        if self.mortal == 0 {
            return None;
        }
        self.front()?.expires.time()
    }

    /// Takes all messages out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = QueueMessage> {
        let Self { levels, .. } = std::mem::take(self);
        levels.into_iter().rev().flat_map(|level| level.returned.into_values().chain(level.fresh))
    }

    fn front(&self) -> Option<&QueueMessage> {
        self.levels.get(usize::from(self.occupied.highest()?))?.front()
    }

    /// The level that a message goes to, which is counted in.
    fn level_for(&mut self, message: &QueueMessage) -> Option<&mut Level> {
        self.len += 1;
        self.body_bytes += message.body_len();
        self.mortal += usize::from(message.expires != Expires::NEVER);
        let at = usize::from(message.priority);
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, Level::default);
        }
        self.occupied.insert(message.priority);
        self.levels.get_mut(at)
    }
}

/// The ready messages of one priority, by position.
///
/// New ones go to the end of one list. One that comes back goes to its old place among those
/// that came back; whatever order they come back in, each costs little.
#[derive(Debug, Default)]
struct Level {
    fresh: VecDeque<QueueMessage>,
    returned: BTreeMap<u64, QueueMessage>,
}

impl Level {
    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.returned.is_empty()
    }

    fn front(&self) -> Option<&QueueMessage> {
        let returned = self.returned.first_key_value().map(|(_, message)| message);
        match (returned, self.fresh.front()) {
            (Some(returned), Some(fresh)) if fresh.position < returned.position => Some(fresh),
            (Some(returned), _) => Some(returned),
            (None, fresh) => fresh,
        }
    }

    fn pop_front(&mut self) -> Option<QueueMessage> {
        if let Some(returned) = self.returned.first_entry() {
            let fresh = self.fresh.front();
            if fresh.is_none_or(|fresh| *returned.key() < fresh.position) {
                return Some(returned.remove());
            }
        }
        self.fresh.pop_front()
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
