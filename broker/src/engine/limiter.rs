use std::sync::atomic::{AtomicU32, Ordering};

/// The prefetch that all consumers of a channel share (`basic.qos`, `global=true`).
///
/// Consumers of one channel may sit on many queues, each behind its own lock; this count is all
/// that those queues share.
#[derive(Debug, Default)]
pub(crate) struct ChannelLimiter {
    unsettled: AtomicU32,
    /// 0 is no limit.
    limit: AtomicU32,
}

impl ChannelLimiter {
    /// Counts one more delivery, if the limit allows it.
    pub(crate) fn acquire(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            self.unsettled.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        self.unsettled
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1))
            .is_ok()
    }

    /// Deliveries were settled.
    pub(crate) fn release(&self, count: u32) {
        self.unsettled.fetch_sub(count, Ordering::Relaxed);
    }

    pub(crate) fn set_limit(&self, limit: u16) {
        self.limit.store(limit.into(), Ordering::Relaxed);
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != 0
    }
}
