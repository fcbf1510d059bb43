use std::sync::atomic::{AtomicUsize, Ordering};

/// The prefetch that all consumers of a channel share (`basic.qos`, `global=true`).
///
/// Consumers of one channel may sit on many queues, each behind its own lock; this count is all
/// that those queues share.
#[derive(Debug, Default)]
pub(crate) struct ChannelLimiter {
    unsettled: AtomicUsize,
    /// 0 is no limit.
    limit: AtomicUsize,
}

impl ChannelLimiter {
    /// Counts up to `wanted` more deliveries, as many as the limit allows, and says how many.
    pub(crate) fn acquire(&self, wanted: usize) -> usize {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            self.unsettled.fetch_add(wanted, Ordering::Relaxed);
            return wanted;
        }
        let allowed = |unsettled: usize| limit.saturating_sub(unsettled).min(wanted);
        let counted = self
            .unsettled
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n + allowed(n)));
        allowed(counted.unwrap_or_default())
    }

    /// Deliveries were settled, or not made after all.
    pub(crate) fn release(&self, count: usize) {
        if count > 0 {
            self.unsettled.fetch_sub(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn set_limit(&self, limit: u16) {
        self.limit.store(limit.into(), Ordering::Relaxed);
    }

    pub(crate) fn is_limited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != 0
    }
}
