use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use crate::keys::Keys;
use crate::lane::Lane;
use crate::rest::Rest;

/// What was confirmed, what was handled, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<Entries>,
    rest: Rest,
    keys: Keys,
}

#[derive(Debug, Default)]
struct Entries {
    confirmed: BTreeSet<(Lane, u64)>,
    found: BTreeSet<(Lane, u64)>,
    seen: BTreeSet<(Lane, u64)>,
    wrong: Vec<String>,
}

impl Ledger {
    /// A handler has begun, of the listener of this id.
    pub(crate) fn is_called(&self, id: &str) {
        if let Some(why) = self.rest.of(id) {
            self.wrong(format!("{id} was called {why}"));
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

    /// Something has happened that must not.
    pub(crate) fn wrong(&self, what: String) {
        self.lock().wrong.push(what);
    }

    /// What has happened that must not.
    pub(crate) fn all_wrong(&self) -> Vec<String> {
        self.lock().wrong.clone()
    }

    /// Who may be called with nothing.
    pub(crate) fn rest(&self) -> &Rest {
        &self.rest
    }

    /// What was called by key.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap()
    }
}
