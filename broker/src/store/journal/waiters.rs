//! Who waits for the journal to be synced.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The tasks that wait, each with the least that it waits for.
///
/// A task that is woken asks again for whatever else it waits for, so that one entry is enough for
/// each, however often it is polled.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<HashMap<Task, (u64, Waker)>>,
}

/// What a waker wakes.
type Task = (usize, usize);

impl Waiters {
    /// Wakes the task once all up to `lsn` is synced. `is_ready` is asked when it is sure that a
    /// sync from now on wakes it: if it is so already, nothing is kept.
    pub(super) fn wait(&self, lsn: u64, waker: &Waker, is_ready: impl Fn() -> bool) -> bool {
        let mut waiting = self.lock();
        if is_ready() {
            return true;
        }
        let task = (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr());
        let entry = waiting.entry(task).or_insert_with(|| (lsn, waker.clone()));
        entry.0 = entry.0.min(lsn);
        false
    }

    /// Wakes all who wait for no more than this.
    pub(super) fn wake(&self, synced: u64) {
        let mut woken = Vec::new();
        {
            let mut waiting = self.lock();
            if waiting.is_empty() {
                return;
            }
            if waiting.values().all(|(lsn, _)| *lsn <= synced) {
                woken.extend(waiting.drain().map(|(_, (_, waker))| waker));
            } else {
                let ready = waiting.extract_if(|_, (lsn, _)| *lsn <= synced);
                woken.extend(ready.map(|(_, (_, waker))| waker));
            }
        }
        for waker in woken {
            waker.wake();
        }
    }

    /// Wakes all: nothing is synced any more.
    pub(super) fn wake_all(&self) {
        self.wake(u64::MAX);
    }

    /// The map is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, HashMap<Task, (u64, Waker)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Debug, Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_task_is_woken_once_for_the_least_it_waits_for() {
        let (waiters, count) = (Waiters::default(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        for lsn in [20, 10, 30] {
            assert!(!waiters.wait(lsn, &waker, || false));
        }
        let other = Arc::new(Count::default());
        assert!(!waiters.wait(11, &Waker::from(Arc::clone(&other)), || false));
        waiters.wake(9);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        waiters.wake(10);
        waiters.wake(10);
        assert_eq!((count.0.load(Ordering::SeqCst), other.0.load(Ordering::SeqCst)), (1, 0));
        waiters.wake_all();
        assert_eq!((count.0.load(Ordering::SeqCst), other.0.load(Ordering::SeqCst)), (1, 1));
    }

    #[test]
    fn what_is_ready_meanwhile_is_not_waited_for() {
        let (waiters, count) = (Waiters::default(), Arc::new(Count::default()));
        assert!(waiters.wait(5, &Waker::from(Arc::clone(&count)), || true));
        waiters.wake_all();
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
    }
}
