use std::collections::BTreeMap;
use std::time::Duration;

use super::{QueueMessage, Returned};
use crate::model::arguments::{Delayed, DelayedRetry};

impl Delayed {
    /// Whether a message waits that came back for this reason.
    pub(super) fn includes(self, why: Returned) -> bool {
        match why {
            Returned::Failed => self != Self::Returned,
            Returned::HandedBack => self != Self::Failed,
            Returned::Undelivered => false,
        }
    }
}

impl DelayedRetry {
    /// When a message is ready again that comes back now: the later the more often it failed.
    pub(super) fn at(&self, delivery_count: u32, now: Duration) -> Duration {
        let delay = self.min.saturating_mul(delivery_count.max(1)).min(self.max);
        now.saturating_add(delay)
    }
}

/// Messages that came back and wait for another try, by the time when they are ready again.
#[derive(Debug, Default)]
pub(super) struct DelayedMessages(BTreeMap<(Duration, u64), QueueMessage>);

impl DelayedMessages {
    /// Lets a message wait until then.
    pub(super) fn insert(&mut self, due: Duration, message: QueueMessage) {
        self.0.insert((due, message.position), message);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the next one is ready again.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.0.first_key_value().map(|((due, _), _)| *due)
    }

    /// Those that are ready again.
    pub(super) fn take_due(&mut self, now: Duration) -> impl Iterator<Item = QueueMessage> {
        let later = self.0.split_off(&(now, u64::MAX));
        std::mem::replace(&mut self.0, later).into_values()
    }

    #[cfg(test)]
    pub(super) fn messages(&self) -> impl Iterator<Item = &QueueMessage> {
        self.0.values()
    }

    /// All, taken out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = QueueMessage> {
        std::mem::take(&mut self.0).into_values()
    }
}
