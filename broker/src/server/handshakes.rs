use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// The connections that have not got through their handshake yet.
///
/// They are limited by a number of their own, and when there are too many, the one that has taken
/// longest goes: whoever connects and says nothing can't keep others out.
#[derive(Debug)]
pub(super) struct Handshakes {
    max: usize,
    state: Mutex<HandshakesState>,
}

#[derive(Debug, Default)]
struct HandshakesState {
    next: u64,
    under_way: BTreeMap<u64, Option<AbortHandle>>,
}

/// One connection's handshake; over when this is dropped.
#[derive(Debug)]
pub(super) struct Handshake {
    number: u64,
    handshakes: Arc<Handshakes>,
}

impl Handshakes {
    pub(super) fn new(max: usize) -> Self {
        Self { max, state: Mutex::default() }
    }

    /// Counts a new connection; the one that has taken longest may have to go for it.
    pub(super) fn begin(self: &Arc<Self>) -> Handshake {
        let mut state = self.lock();
        if state.under_way.len() >= self.max
            && let Some((_, Some(oldest))) = state.under_way.pop_first()
        {
            tracing::warn!(max = self.max, "too many handshakes under way: the oldest is dropped");
            oldest.abort();
        }
        let number = state.next;
        state.next += 1;
        state.under_way.insert(number, None);
        Handshake { number, handshakes: Arc::clone(self) }
    }

    /// Drops all that are under way.
    pub(super) fn drop_all(&self) {
        let under_way = std::mem::take(&mut self.lock().under_way);
        for task in under_way.into_values().flatten() {
            task.abort();
        }
    }

    /// The task of a handshake, if it is still under way.
    pub(super) fn started(&self, number: u64, task: AbortHandle) {
        if let Some(known) = self.lock().under_way.get_mut(&number) {
            *known = Some(task);
        }
    }

    /// The maps are whole between any two calls.
    fn lock(&self) -> MutexGuard<'_, HandshakesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handshake {
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.handshakes.lock().under_way.remove(&self.number);
    }
}
