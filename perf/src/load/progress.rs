use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};

/// What producers and consumers know of one another.
#[derive(Debug)]
pub(super) struct Progress {
    sent: AtomicU64,
    received: AtomicU64,
    producers: AtomicU16,
    failed: AtomicBool,
    /// How many deliveries each message leads to.
    copies: u64,
}

impl Progress {
    /// Of so many producers, whose messages come in so many copies.
    pub(super) fn new(producers: u16, copies: u64) -> Self {
        Self {
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            producers: AtomicU16::new(producers),
            failed: AtomicBool::new(false),
            copies,
        }
    }

    /// Counts messages, before they are written.
    pub(super) fn sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn received(&self, count: u64) {
        self.received.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes note that so many of all copies have arrived, of which others have counted fewer.
    pub(super) fn received_at_least(&self, count: u64) {
        self.received.fetch_max(count, Ordering::Relaxed);
    }

    /// A producer sends nothing more.
    pub(super) fn producer_done(&self) {
        self.producers.fetch_sub(1, Ordering::Release);
    }

    /// One of the threads has given up: all others end.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// How many messages are on the way, on the average of all queues.
    pub(super) fn in_flight(&self) -> u64 {
        let received = self.received.load(Ordering::Relaxed) / self.copies;
        self.sent.load(Ordering::Relaxed).saturating_sub(received)
    }

    /// Whether all was sent.
    pub(super) fn is_sent(&self) -> bool {
        self.producers.load(Ordering::Acquire) == 0
    }

    /// Whether all was sent and has arrived.
    pub(super) fn is_complete(&self) -> bool {
        self.producers.load(Ordering::Acquire) == 0
            && self.received.load(Ordering::Relaxed)
                >= self.sent.load(Ordering::Relaxed) * self.copies
    }

    /// How many messages were sent and how many deliveries have arrived.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_complete_when_nobody_sends_and_all_copies_are_there() {
        let progress = Progress::new(1, 2);
        assert!(!progress.is_complete());
        progress.sent(10);
        progress.received(19);
        assert_eq!(progress.in_flight(), 1);
        progress.producer_done();
        assert!(!progress.is_complete());
        progress.received(1);
        assert!(progress.is_complete());
        assert_eq!((progress.in_flight(), progress.totals()), (0, (10, 20)));
    }
}
