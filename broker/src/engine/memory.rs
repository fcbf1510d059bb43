use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Poll, Waker};

use crate::store::{Blocked, Journal, JournalObserver};

/// The memory of all messages in all queues, and what publishers wait for: memory below its mark,
/// and a disk that takes what comes.
///
/// RabbitMQ's alarms block publishing connections; here the one publish waits.
/// Consumers and acks never do, nor does what replaces a message that is acked right after
/// (parking), so memory can always be freed.
#[derive(Debug)]
pub(crate) struct MessageMemory {
    used: AtomicU64,
    high_watermark: u64,
    /// What the journal said last: one of [`DISK_TAKES`] and the like.
    disk: AtomicU8,
    is_stopped: AtomicBool,
    /// Whether `waiting` may hold a waker: spares the lock of who frees memory.
    has_waiting: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

const DISK_TAKES: u8 = 0;
const DISK_LOW: u8 = 1;
const DISK_BEHIND: u8 = 2;

/// What publishers wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Messages take more memory than they may.
    Memory,
    /// The disk is nearly full.
    Disk,
    /// Both.
    MemoryAndDisk,
    /// Much waits to be written to the disk, which takes a moment.
    Backlog,
}

impl Shortage {
    /// What clients are told, in RabbitMQ's words; none for what is over in a moment.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("low on memory"),
            Self::Disk => Some("low on disk"),
            Self::MemoryAndDisk => Some("low on memory & disk"),
            Self::Backlog => None,
        }
    }
}

impl MessageMemory {
    pub(crate) fn new(high_watermark: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            high_watermark,
            disk: AtomicU8::new(DISK_TAKES),
            is_stopped: AtomicBool::new(false),
            has_waiting: AtomicBool::new(false),
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// Whether publishing is allowed now.
    pub(crate) fn has_room(&self) -> bool {
        self.used.load(Ordering::SeqCst) < self.high_watermark
            && self.disk.load(Ordering::SeqCst) == DISK_TAKES
            || self.is_stopped.load(Ordering::SeqCst)
    }

    /// Why publishing is not allowed now; none if it is.
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        if self.is_stopped.load(Ordering::SeqCst) {
            return None;
        }
        let is_full = self.used.load(Ordering::SeqCst) >= self.high_watermark;
        match (is_full, self.disk.load(Ordering::SeqCst)) {
            (false, DISK_TAKES) => None,
            (false, DISK_LOW) => Some(Shortage::Disk),
            (false, _) => Some(Shortage::Backlog),
            (true, DISK_LOW) => Some(Shortage::MemoryAndDisk),
            (true, _) => Some(Shortage::Memory),
        }
    }

    /// From now on publishers wait for this journal, too.
    pub(crate) fn heed(self: &Arc<Self>, journal: &Arc<Journal>) {
        let gauge =
            Arc::new(DiskGauge { memory: Arc::clone(self), journal: Arc::downgrade(journal) });
        journal.observe(Arc::clone(&gauge) as Arc<dyn JournalObserver>);
        gauge.changed();
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

/// Takes what the journal says to the publishers.
#[derive(Debug)]
struct DiskGauge {
    memory: Arc<MessageMemory>,
    journal: Weak<Journal>,
}

impl JournalObserver for DiskGauge {
    fn changed(&self) {
        let blocked = || self.journal.upgrade().and_then(|journal| journal.blocked());
        let mut told = None;
        // Of two who are told at once the later one may have asked first: the last look counts.
        while told != Some(blocked()) {
            let now = blocked();
            let disk = match now {
                None => DISK_TAKES,
                Some(Blocked::DiskLow) => DISK_LOW,
                Some(Blocked::Backlog) => DISK_BEHIND,
            };
            let before = self.memory.disk.swap(disk, Ordering::SeqCst);
            match now {
                Some(Blocked::DiskLow) if before != disk => {
                    tracing::warn!("little room is left on the disk: publishers wait");
                }
                None if before == DISK_LOW => {
                    tracing::info!("there is room on the disk again: publishers go on");
                }
                _ => {}
            }
            told = Some(now);
        }
        // Who waits for one thing may have to be told that it waits for another now.
        self.memory.wake_waiting();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::counting_waker::WakeCount;

    #[test]
    fn publishers_wait_for_the_disk_too() {
        let memory = Arc::new(MessageMemory::new(100));
        let journal = Arc::new(Journal::in_memory());
        memory.heed(&journal);
        let reason = || memory.shortage().map(Shortage::reason);
        let (count, waker) = WakeCount::new();
        assert!(memory.poll_room(&waker).is_ready());
        journal.set_blocked(Some(Blocked::DiskLow));
        assert_eq!(reason(), Some(Some("low on disk")));
        assert!(memory.poll_room(&waker).is_pending());
        memory.grow(100);
        assert_eq!(reason(), Some(Some("low on memory & disk")));
        journal.set_blocked(Some(Blocked::Backlog));
        assert_eq!(reason(), Some(Some("low on memory")));
        memory.free(100);
        assert_eq!(reason(), Some(None), "which is over in a moment");
        assert!(memory.poll_room(&waker).is_pending());
        let before = count.get();
        journal.set_blocked(None);
        assert_eq!(count.get(), before + 1);
        assert!(memory.has_room() && memory.poll_room(&waker).is_ready());
        journal.set_blocked(Some(Blocked::DiskLow));
        memory.stop();
        assert_eq!(memory.shortage(), None);
        assert!(memory.poll_room(&waker).is_ready(), "a broker that is stopped holds nobody up");
    }

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
