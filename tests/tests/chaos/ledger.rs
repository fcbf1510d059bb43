use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::application::Lane;

/// What was confirmed, and what was handled.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<Entries>,
    is_stopped: AtomicBool,
    late: AtomicUsize,
}

#[derive(Debug, Default)]
struct Entries {
    confirmed: BTreeSet<(Lane, u64)>,
    found: BTreeSet<(Lane, u64)>,
    seen: BTreeSet<(Lane, u64)>,
}

impl Ledger {
    /// A handler has begun.
    pub(crate) fn is_called(&self) {
        if self.is_stopped.load(Ordering::Acquire) {
            self.late.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A handler is done with it, or it is in its queue at the end.
    pub(crate) fn found(&self, lane: Lane, number: u64) {
        self.lock().found.insert((lane, number));
    }

    pub(crate) fn is_seen_for_the_first_time(&self, lane: Lane, number: u64) -> bool {
        self.lock().seen.insert((lane, number))
    }

    /// The broker answers for it.
    pub(crate) fn confirm(&self, lane: Lane, number: u64) {
        self.lock().confirmed.insert((lane, number));
    }

    pub(crate) fn confirmed(&self) -> usize {
        self.lock().confirmed.len()
    }

    /// What was confirmed and not found.
    pub(crate) fn missing(&self) -> Vec<(Lane, u64)> {
        let entries = self.lock();
        entries.confirmed.difference(&entries.found).copied().collect()
    }

    /// From now on nothing may be handled.
    pub(crate) fn app_is_stopped(&self) {
        self.is_stopped.store(true, Ordering::Release);
    }

    /// How often a handler was called after the stop.
    pub(crate) fn late(&self) -> usize {
        self.late.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap()
    }
}
