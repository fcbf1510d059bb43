use std::collections::VecDeque;

use super::QueueMessage;
use super::changes::SettledReferences;
use super::cold::{Cold, Pageable};
use super::message::Expires;
use super::ready::{Counts, PageOut};
use super::run::{ColdMessage, Run};
use super::shelf::{PagedOut, Shelf, Shelved};
use crate::model::pager::Pager;

/// The ready messages of one priority, by position.
///
/// New ones go to the end of one list. One that comes back goes to its old place among those
/// that came back; whatever order they come back in, each costs little. Where there is much, the
/// middle is on the disk alone.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// Before all that is cold.
    fresh: VecDeque<QueueMessage>,
    /// Anywhere.
    returned: Shelf<u64>,
    cold: Option<Box<Cold>>,
    /// How many of the fresh ones, and of those behind what is cold, the journal keeps.
    kept: usize,
}

/// A message that can be passed out of a level, and where it stands.
#[derive(Debug, Clone, Copy)]
enum First {
    Returned,
    Fresh,
    Cold,
}

impl Level {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.returned.is_empty() && self.cold.is_none()
    }

    /// Puts a message to the end.
    pub(super) fn push_back(&mut self, message: QueueMessage) {
        self.kept += usize::from(message.reference.is_some());
        let end = match &mut self.cold {
            Some(cold) => &mut cold.tail,
            None => &mut self.fresh,
        };
        debug_assert!(end.back().is_none_or(|last| last.position < message.position));
        end.push_back(message);
    }

    /// Puts a message to where its position says.
    pub(super) fn put_back(&mut self, position: u64, message: Shelved) {
        self.returned.insert(position, message);
    }

    /// Puts a message behind the others that are on the disk.
    pub(super) fn push_cold(&mut self, message: &ColdMessage) {
        self.cold.get_or_insert_default().push(message);
    }

    /// All have been [added](Self::push_cold), in whatever order.
    pub(super) fn sort_cold(&mut self) {
        if let Some(cold) = &mut self.cold {
            cold.sort();
        }
    }

    /// When the first message expires.
    pub(super) fn first_expires(&self) -> Option<Expires> {
        match self.first()? {
            First::Returned => self.returned.first_expires(),
            First::Fresh => self.fresh.front().map(|message| message.expires),
            First::Cold => Some(self.cold.as_ref()?.first_run()?.first_expires()),
        }
    }

    /// How many runs there are of what is cold.
    pub(super) fn run_count(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.run_count())
    }

    /// Whether the first message has to be read back.
    pub(super) fn begins_cold(&self) -> bool {
        match self.first() {
            Some(First::Returned) => self.returned.begins_cold(),
            Some(First::Cold) => true,
            Some(First::Fresh) | None => false,
        }
    }

    fn first(&self) -> Option<First> {
        let (next, position) = match (self.fresh.front(), &self.cold) {
            (Some(fresh), _) => (First::Fresh, Some(fresh.position)),
            (None, Some(cold)) => (First::Cold, cold.first_run().and_then(Run::first_position)),
            (None, None) => return (!self.returned.is_empty()).then_some(First::Returned),
        };
        match self.returned.first_key() {
            Some(returned) if position.is_none_or(|position| returned < position) => {
                Some(First::Returned)
            }
            _ => Some(next),
        }
    }

    /// Takes the first message; none if there is none that can be read now.
    pub(super) fn pop_front(&mut self, reading: &mut Reading<'_>) -> Option<QueueMessage> {
        loop {
            match self.first()? {
                First::Returned if !self.returned.begins_cold() => {
                    return self.returned.pop_first_warm();
                }
                First::Fresh => {
                    let message = self.fresh.pop_front()?;
                    self.kept -= usize::from(message.reference.is_some());
                    return Some(message);
                }
                First::Returned | First::Cold if *reading.is_unread => return None,
                First::Returned => self.read_returned(reading)?,
                First::Cold => self.page_in(reading),
            }
        }
    }

    /// Reads the first ones back of those that came back; none without a pager.
    fn read_returned(&mut self, reading: &mut Reading<'_>) -> Option<()> {
        let Reading { pager, counts, is_unread } = reading;
        **is_unread = !self.returned.read_back((*pager)?, counts);
        Some(())
    }

    /// Reads the first cold ones back. Nothing is fresh.
    fn page_in(&mut self, reading: &mut Reading<'_>) {
        let Self { fresh, cold: place, kept, .. } = self;
        let Some(cold) = place else { return };
        let Reading { pager, counts, is_unread } = reading;
        if let Some(pager) = pager {
            **is_unread = !cold.read_back(*pager, counts, fresh);
            *kept += fresh.len();
        }
        if !cold.has_runs() || pager.is_none() {
            fresh.append(&mut cold.tail);
            *place = None;
        }
    }

    /// Takes the newest messages out of memory that the journal has.
    pub(super) fn page_out(&mut self, pager: &dyn Pager, how: PageOut, counts: &mut Counts) {
        let PagedOut { count, charge } = self.returned.page_out(pager, how);
        counts.shelved += count;
        counts.warm_charge -= charge;
        self.page_out_newest(pager, how, counts);
    }

    fn page_out_newest(&mut self, pager: &dyn Pager, how: PageOut, counts: &mut Counts) {
        let PageOut { warm_bytes, least_bytes, .. } = how;
        let behind = self.cold.as_ref().map_or(0, |cold| cold.tail.len());
        // What the journal does not have is moved aside: that is for few.
        if self.kept < (self.fresh.len() + behind).div_ceil(4) {
            return;
        }
        if self.cold.is_none() {
            // At least one, however long: a queue that is read is not to be read from the disk.
            let warm = count_of(&self.fresh, 0, warm_bytes).max(1);
            if count_of(&self.fresh, warm, least_bytes) + warm == self.fresh.len() {
                return;
            }
            let first = self.fresh.get(warm).map(|message| ColdMessage::of(message, pager));
            if matches!(first, None | Some(Pageable::NotYet)) {
                return;
            }
            let tail = self.fresh.split_off(warm);
            self.cold = Some(Box::new(Cold::before(tail)));
        } else if let Some(cold) = &self.cold
            && count_of(&cold.tail, 0, least_bytes) == behind
        {
            return;
        }
        let Some(cold) = &mut self.cold else { return };
        while let Some(message) = cold.tail.pop_front() {
            match ColdMessage::of(&message, pager) {
                Pageable::Now(there) => {
                    counts.warm_charge -= u64::from(message.charge);
                    counts.cold += 1;
                    self.kept -= 1;
                    cold.push(&there);
                }
                Pageable::Never => {
                    self.kept -= usize::from(message.reference.is_some());
                    self.returned.insert(message.position, Shelved::Warm(message));
                }
                Pageable::NotYet => {
                    cold.tail.push_front(message);
                    break;
                }
            }
        }
        if !cold.has_runs() {
            self.fresh.append(&mut cold.tail);
            self.cold = None;
        }
    }

    /// Takes all out: these are settled.
    pub(super) fn settle_all(mut self, settled: &mut SettledReferences) {
        let (runs, tail) = self.cold.map(|cold| cold.into_parts()).unwrap_or_default();
        for message in self.fresh.into_iter().chain(tail) {
            settled.add(message.reference);
        }
        for message in self.returned.drain() {
            settled.add(message.reference());
        }
        for run in runs {
            settled.add_run(run);
        }
    }

    /// All of them, in their order, without reading any.
    #[cfg(test)]
    pub(super) fn contents(&self) -> Vec<super::contents::Content> {
        use super::contents::Content;
        let tail = self.cold.iter().flat_map(|cold| &cold.tail);
        let warm = self.fresh.iter().chain(tail).map(Content::of);
        let cold = self.cold.iter().flat_map(|cold| cold.messages());
        let cold = cold.map(|message| Content::of_cold(&message));
        let mut all: Vec<_> = warm.chain(cold).chain(self.returned.contents()).collect();
        all.sort_unstable_by_key(|content| content.position);
        all
    }

    /// The memory that the index of what is cold takes, in bytes.
    #[cfg(test)]
    pub(super) fn index_bytes(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.index_bytes())
    }
}

/// How messages are read back.
#[derive(Debug)]
pub(super) struct Reading<'r> {
    pub(super) pager: Option<&'r dyn Pager>,
    pub(super) counts: &'r mut Counts,
    /// Something could not be read.
    pub(super) is_unread: &'r mut bool,
}

/// How many messages from this one on have `bytes` together; those that go beyond that are not
/// looked at.
fn count_of(messages: &VecDeque<QueueMessage>, from: usize, bytes: u64) -> usize {
    let mut left = bytes;
    let fits = |message: &&QueueMessage| match left.checked_sub(u64::from(message.charge)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    messages.iter().skip(from).take_while(fits).count()
}
