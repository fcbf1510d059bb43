use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::QueueMessage;
use super::cold::Pageable;
use super::message::Expires;
use super::ready::{Counts, PageOut};
use super::run::ColdMessage;
use crate::model::message::PublishedMessage;
use crate::model::pager::{Pager, ReadBack};
use crate::model::stored::Reference;

/// What a message counts for in memory that is on the disk alone, in bytes: its place, and what
/// matters before it is read.
const SHELVED_BYTES: u64 = 80;

/// The memory of messages that are read back together, in bytes; at least one message.
const READ_AT_ONCE_BYTES: u64 = 16 << 10;

/// Messages that stand by a key, in whatever order they come. Where there are many, the journal has
/// them alone.
///
/// A place here takes more than one in a run, which is for messages that come in their order.
#[derive(Debug)]
pub(crate) struct Shelf<K> {
    warm: BTreeMap<K, QueueMessage>,
    cold: BTreeMap<K, ColdMessage>,
    /// What the warm ones are charged with.
    charge: u64,
    /// Of the warm ones, those that the journal keeps: how many, and what they are charged with.
    kept: usize,
    kept_charge: u64,
    /// What those are to be charged with before it is worth to look at all of them again.
    looked_until: u64,
}

/// A message of a shelf.
#[derive(Debug)]
pub(crate) enum Shelved {
    Warm(QueueMessage),
    Cold(ColdMessage),
}

impl Shelved {
    /// What the journal knows it by, if it keeps it.
    pub(crate) fn reference(&self) -> Option<Reference> {
        match self {
            Self::Warm(message) => message.reference,
            Self::Cold(message) => Some(message.reference),
        }
    }

    /// What it counts for in memory, in bytes.
    pub(crate) fn charge(&self) -> u64 {
        match self {
            Self::Warm(message) => u64::from(message.charge),
            Self::Cold(_) => SHELVED_BYTES,
        }
    }
}

/// Messages that were taken out of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PagedOut {
    pub(super) count: usize,
    /// What they were charged with.
    pub(super) charge: u64,
}

impl<K> Default for Shelf<K> {
    fn default() -> Self {
        let (warm, cold) = (BTreeMap::new(), BTreeMap::new());
        Self { warm, cold, charge: 0, kept: 0, kept_charge: 0, looked_until: 0 }
    }
}

impl<K: Ord + Copy> Shelf<K> {
    pub(crate) fn is_empty(&self) -> bool {
        self.warm.is_empty() && self.cold.is_empty()
    }

    /// The memory of all of them, in bytes.
    pub(crate) fn charge(&self) -> u64 {
        self.charge + shelved_bytes(self.cold.len())
    }

    pub(crate) fn insert(&mut self, key: K, message: Shelved) {
        match message {
            Shelved::Warm(message) => {
                self.count(&message);
                self.warm.insert(key, message);
            }
            Shelved::Cold(message) => drop(self.cold.insert(key, message)),
        }
    }

    fn count(&mut self, message: &QueueMessage) {
        let charge = u64::from(message.charge);
        self.charge += charge;
        if message.reference.is_some() {
            self.kept += 1;
            self.kept_charge += charge;
        }
    }

    fn count_out(&mut self, message: &QueueMessage) {
        let charge = u64::from(message.charge);
        self.charge -= charge;
        if message.reference.is_some() {
            self.kept -= 1;
            self.kept_charge -= charge;
            self.looked_until = self.looked_until.min(self.kept_charge.saturating_mul(2));
        }
    }

    pub(crate) fn first_key(&self) -> Option<K> {
        let firsts = [self.first_warm(), self.first_cold()];
        firsts.into_iter().flatten().min()
    }

    fn first_warm(&self) -> Option<K> {
        self.warm.first_key_value().map(|(key, _)| *key)
    }

    fn first_cold(&self) -> Option<K> {
        self.cold.first_key_value().map(|(key, _)| *key)
    }

    /// Whether the first one is on the disk alone.
    pub(super) fn begins_cold(&self) -> bool {
        let cold = self.first_cold();
        cold.is_some_and(|cold| self.first_warm().is_none_or(|warm| cold < warm))
    }

    /// When the first one expires.
    pub(super) fn first_expires(&self) -> Option<Expires> {
        match self.begins_cold() {
            true => self.cold.first_key_value().map(|(_, message)| message.expires),
            false => self.warm.first_key_value().map(|(_, message)| message.expires),
        }
    }

    /// Takes the first one, wherever it is.
    pub(crate) fn pop_first(&mut self) -> Option<Shelved> {
        if self.begins_cold() {
            return self.cold.pop_first().map(|(_, message)| Shelved::Cold(message));
        }
        self.pop_first_warm().map(Shelved::Warm)
    }

    /// Takes the first one of those in memory.
    pub(super) fn pop_first_warm(&mut self) -> Option<QueueMessage> {
        let (_, message) = self.warm.pop_first()?;
        self.count_out(&message);
        Some(message)
    }

    /// Takes all.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Shelved> {
        let Self { warm, cold, .. } = std::mem::take(self);
        let warm = warm.into_values().map(Shelved::Warm);
        warm.chain(cold.into_values().map(Shelved::Cold))
    }

    /// Takes messages out of memory that the journal has, if there are many, but for the first ones.
    pub(crate) fn page_out(&mut self, pager: &dyn Pager, how: PageOut) -> PagedOut {
        let mut out = PagedOut::default();
        let is_worth_it = self.kept_charge > how.shelved_bytes + how.least_bytes
            && self.kept_charge >= self.looked_until;
        // All are looked at: that is for few.
        if !is_worth_it || self.kept < self.warm.len().div_ceil(4) {
            return out;
        }
        // At least one stays, however long: it may be what is read next.
        let mut stays = how.shelved_bytes.max(1);
        for (key, message) in std::mem::take(&mut self.warm) {
            if stays > 0 && message.reference.is_some() {
                stays = stays.saturating_sub(u64::from(message.charge));
            } else if let Pageable::Now(there) = ColdMessage::of(&message, pager) {
                self.count_out(&message);
                out.count += 1;
                out.charge += u64::from(message.charge);
                self.cold.insert(key, there);
                continue;
            }
            self.warm.insert(key, message);
        }
        // What is not written yet has been looked at for nothing.
        self.looked_until = self.kept_charge + self.kept_charge / 2;
        out
    }

    /// Reads the first ones back that are on the disk alone; whether the disk gave any. What is lost
    /// is counted out.
    pub(super) fn read_back(&mut self, pager: &dyn Pager, counts: &mut Counts) -> bool {
        let Some((_, first)) = self.cold.first_key_value() else { return true };
        let (segment, mut bytes) = (first.segment, 0);
        let is_near = |(_, message): &(&K, &ColdMessage)| {
            let is_first = bytes == 0;
            bytes += message.body_len + PublishedMessage::OVERHEAD_BYTES as u64;
            message.segment == segment && (is_first || bytes <= READ_AT_ONCE_BYTES)
        };
        let some = self.cold.iter().take_while(is_near);
        let (keys, places): (Vec<K>, Vec<_>) =
            some.map(|(key, message)| (*key, (message.reference, message.offset))).unzip();
        let mut any = false;
        for (key, read) in keys.into_iter().zip(pager.read(segment, &places)) {
            if read == ReadBack::NotNow {
                break;
            }
            any = true;
            let Entry::Occupied(entry) = self.cold.entry(key) else { continue };
            let cold = entry.remove();
            counts.remove_shelved(&cold);
            if let ReadBack::Message(read) = read {
                let message = cold.with(read);
                counts.add(&message);
                self.count(&message);
                self.warm.insert(key, message);
            }
        }
        any
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) fn contents(&self) -> Vec<super::contents::Content> {
        use super::contents::Content;
        let warm = self.warm.values().map(Content::of);
        warm.chain(self.cold.values().map(Content::of_cold)).collect()
    }
}

/// What so many count for that are on the disk alone.
pub(super) fn shelved_bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(SHELVED_BYTES)
}
