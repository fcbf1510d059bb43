use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Who may be called with nothing: listeners that are paused or stopped, and all after the stop.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    of_app: AtomicBool,
    of_listeners: Mutex<BTreeMap<&'static str, OfListener>>,
}

#[derive(Debug, Default)]
struct OfListener {
    /// How often somebody began to change it.
    changes: u64,
    /// How many changes are under way.
    under_way: usize,
    is_at_rest: bool,
}

/// A change that has begun, to be ended with.
#[derive(Debug)]
pub(crate) struct Change(Vec<OfOne>);

#[derive(Debug)]
struct OfOne {
    id: &'static str,
    number: u64,
    /// No other was under way when it began.
    is_first: bool,
}

impl Rest {
    /// Somebody begins to pause, stop or start these: from now on they may be called.
    pub(crate) fn begin(&self, ids: &[&'static str]) -> Change {
        let mut listeners = self.lock();
        let begin = |&id| {
            let listener: &mut OfListener = listeners.entry(id).or_default();
            let is_first = listener.under_way == 0;
            listener.changes += 1;
            listener.under_way += 1;
            listener.is_at_rest = false;
            OfOne { id, number: listener.changes, is_first }
        };
        Change(ids.iter().map(begin).collect())
    }

    /// The change is done. Those that were paused or stopped are at rest; but of two changes at a time
    /// either may be the last.
    pub(crate) fn end(&self, Change(of_all): Change, are_off: bool) {
        let mut listeners = self.lock();
        for OfOne { id, number, is_first } in of_all {
            let listener = listeners.entry(id).or_default();
            listener.under_way -= 1;
            listener.is_at_rest = are_off && is_first && listener.changes == number;
        }
    }

    /// From now on nothing may be handled.
    pub(crate) fn app_is_stopped(&self) {
        self.of_app.store(true, Ordering::Release);
    }

    /// Why this listener may not be called; none if it may.
    pub(crate) fn of(&self, id: &str) -> Option<&'static str> {
        if self.of_app.load(Ordering::Acquire) {
            return Some("after the application's stop");
        }
        self.lock().get(id)?.is_at_rest.then_some("while it was paused or stopped")
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, OfListener>> {
        self.of_listeners.lock().unwrap()
    }
}
