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

/// Messages that came back and wait for another try, by the time when they are ready again.
#[derive(Debug, Default)]
pub(super) struct DelayedMessages(BTreeMap<(Duration, u64), QueueMessage>);

impl DelayedMessages {
    /// Lets a message wait, the longer the more often it failed.
    pub(super) fn push(&mut self, message: QueueMessage, retry: DelayedRetry, now: Duration) {
        let delay = retry.min.saturating_mul(message.delivery_count.max(1)).min(retry.max);
        self.0.insert((now.saturating_add(delay), message.position), message);
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

    /// All, taken out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = QueueMessage> {
        std::mem::take(&mut self.0).into_values()
    }
}
