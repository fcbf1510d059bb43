use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// The memory of all messages in all queues, and the mark above which publishers wait.
///
/// RabbitMQ's memory alarm blocks publishing connections; here the one publish waits.
/// Consumers and acks never do, nor does what replaces a message that is acked right after
/// (parking), so memory can always be freed.
#[derive(Debug)]
pub(crate) struct MessageMemory {
    used: AtomicU64,
    high_watermark: u64,
    is_stopped: AtomicBool,
    /// Whether `waiting` may hold a waker: spares the lock of who frees memory.
    has_waiting: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl MessageMemory {
    pub(crate) fn new(high_watermark: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            high_watermark,
            is_stopped: AtomicBool::new(false),
            has_waiting: AtomicBool::new(false),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// Whether publishing is allowed now.
    pub(crate) fn has_room(&self) -> bool {
        self.used.load(Ordering::SeqCst) < self.high_watermark
            || self.is_stopped.load(Ordering::SeqCst)
    }

    /// The bytes that messages take now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Ready while publishing is allowed; otherwise the waker is called when it is again.
    pub(crate) fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if self.has_room() {
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
        if self.has_room() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// A queue's messages take this many bytes more. Called before anybody can free them, so
    /// that the count is never below nothing.
    pub(crate) fn grow(&self, bytes: u64) {
        if bytes > 0 {
            self.used.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A queue's messages take this many bytes less.
    pub(crate) fn free(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let used = self.used.fetch_sub(bytes, Ordering::SeqCst).saturating_sub(bytes);
        if used < self.high_watermark {
            self.wake_waiting();
        }
    }

    /// Nobody waits any more: the broker is stopped.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.wake_waiting();
    }

    /// Wakes all who wait, to look whether they still have to.
    pub(crate) fn wake_waiting(&self) {
        if !self.has_waiting.load(Ordering::SeqCst) {
            return;
        }
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
    use crate::engine::counting_waker::WakeCount;

    #[test]
    fn publishers_wait_at_the_mark_and_are_woken_below_it() {
        let memory = MessageMemory::new(100);
        let (count, waker) = WakeCount::new();
        assert!(memory.poll_room(&waker).is_ready());
        memory.grow(100);
        assert!(memory.poll_room(&waker).is_pending());
        assert!(memory.poll_room(&waker).is_pending(), "the same waker is kept once");
        memory.grow(1);
        assert_eq!(count.get(), 0);
        memory.free(2);
        assert_eq!(count.get(), 1);
        assert!(memory.poll_room(&waker).is_ready());
        assert_eq!(memory.used(), 99);
    }
}
