use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// What happened to a served connection while its session did something else or slept.
///
/// A session may have thousands of consumers: it asks here which of them have messages, instead
/// of asking each.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    state: Mutex<SignalsState>,
}

#[derive(Debug, Default)]
struct SignalsState {
    consumers: Vec<ConsumerSlot>,
    /// More is safe on the disk, or the disk has failed.
    synced: bool,
    closed: bool,
    session: Option<Waker>,
}

/// A consumer's place in its session.
pub(crate) type ConsumerSlot = u64;

impl Signals {
    /// A waker that tells the session that this consumer has something to read.
    pub(crate) fn consumer_waker(self: &Arc<Self>, slot: ConsumerSlot) -> Waker {
        Waker::from(Arc::new(ConsumerSignal { signals: Arc::clone(self), slot }))
    }

    /// A waker that tells the session that what it waits for is on the disk.
    pub(crate) fn synced_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(SyncedSignal(Arc::clone(self))))
    }

    /// Whether more is on the disk since the last time that this was asked.
    pub(crate) fn take_synced(&self) -> bool {
        std::mem::take(&mut self.lock().synced)
    }

    /// Tells the session that its connection was closed by somebody else.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Moves the consumers that have something to read to `ready`, says whether the connection
    /// was closed, and wakes `session` at the next signal.
    pub(crate) fn take(&self, session: &Waker, ready: &mut impl Extend<ConsumerSlot>) -> bool {
        let mut state = self.lock();
        ready.extend(state.consumers.drain(..));
        if !state.session.as_ref().is_some_and(|known| known.will_wake(session)) {
            state.session = Some(session.clone());
        }
        state.closed
    }

    fn change(&self, change: impl FnOnce(&mut SignalsState)) {
        let session = {
            let mut state = self.lock();
            change(&mut state);
            state.session.take()
        };
        if let Some(session) = session {
            session.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, SignalsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct ConsumerSignal {
    signals: Arc<Signals>,
    slot: ConsumerSlot,
}

impl Wake for ConsumerSignal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.signals.change(|state| state.consumers.push(self.slot));
    }
}

#[derive(Debug)]
struct SyncedSignal(Arc<Signals>);

impl Wake for SyncedSignal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.change(|state| state.synced = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::counting_waker::WakeCount;

    #[test]
    fn a_session_is_woken_once_for_all_that_happened_until_it_looks() {
        let signals = Arc::new(Signals::default());
        let (count, session) = WakeCount::new();
        let mut ready = Vec::new();
        assert!(!signals.take(&session, &mut ready));
        signals.consumer_waker(3).wake();
        signals.consumer_waker(1).wake();
        assert_eq!(count.get(), 1);
        assert!(!signals.take(&session, &mut ready));
        assert_eq!(ready, [3, 1]);
        assert!(!signals.take_synced());
        signals.synced_waker().wake();
        assert_eq!(count.get(), 2);
        assert!(signals.take_synced() && !signals.take_synced());
        assert!(!signals.take(&session, &mut ready));
        signals.close();
        assert_eq!(count.get(), 3);
        assert!(signals.take(&session, &mut ready));
    }
}
