use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// The memory of all messages in all queues, and the mark above which publishers wait.
///
/// RabbitMQ's memory alarm blocks publishing connections; here the one publish waits.
/// Consumers and acks never do, so memory can always be freed.
#[derive(Debug)]
pub(crate) struct MessageMemory {
    used: AtomicU64,
    high_watermark: u64,
    /// Whether `waiting` may hold a waker: spares the lock of who frees memory.
    has_waiting: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl MessageMemory {
    pub(crate) fn new(high_watermark: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            high_watermark,
            has_waiting: AtomicBool::new(false),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// The bytes that messages take now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Ready while publishing is allowed; otherwise the waker is called when it is again.
    pub(crate) fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if self.used.load(Ordering::Relaxed) < self.high_watermark {
            return Poll::Ready(());
        }
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.iter().any(|other| other.will_wake(waker)) {
                waiting.push(waker.clone());
            }
            self.has_waiting.store(true, Ordering::SeqCst);
        }
        // What was freed between the first look and the registration.
        if self.used.load(Ordering::SeqCst) < self.high_watermark {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// A queue's messages went from `before` to `after` bytes.
    pub(crate) fn changed(&self, before: u64, after: u64) {
        if after > before {
            self.used.fetch_add(after - before, Ordering::Relaxed);
        } else if before > after {
            let freed = before - after;
            let used = self.used.fetch_sub(freed, Ordering::SeqCst).saturating_sub(freed);
            if used < self.high_watermark && self.has_waiting.load(Ordering::SeqCst) {
                self.wake_all();
            }
        }
    }

    fn wake_all(&self) {
        let woken = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.has_waiting.store(false, Ordering::SeqCst);
            std::mem::take(&mut *waiting)
        };
        for waker in woken {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn publishers_wait_at_the_mark_and_are_woken_below_it() {
        let memory = MessageMemory::new(100);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        assert!(memory.poll_room(&waker).is_ready());
        memory.changed(0, 100);
        assert!(memory.poll_room(&waker).is_pending());
        assert!(memory.poll_room(&waker).is_pending(), "the same waker is kept once");
        memory.changed(100, 101);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        memory.changed(101, 99);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(memory.poll_room(&waker).is_ready());
        assert_eq!(memory.used(), 99);
    }
}
