use std::time::Duration;

use super::Returned;
use super::ready::PageOut;
use super::shelf::{Shelf, Shelved};
use crate::model::arguments::{Delayed, DelayedRetry};
use crate::model::pager::Pager;

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

/// Messages that came back and wait for another try, by the time when they are ready again and then
/// by position.
#[derive(Debug, Default)]
pub(super) struct DelayedMessages(Shelf<(Duration, u64)>);

impl DelayedMessages {
    /// Lets a message wait until then.
    pub(super) fn insert(&mut self, due: Duration, message: Shelved) {
        let position = match &message {
            Shelved::Warm(message) => message.position,
            Shelved::Cold(message) => message.position,
        };
        self.0.insert((due, position), message);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The memory of all of them, in bytes.
    pub(super) fn charge(&self) -> u64 {
        self.0.charge()
    }

    /// When the next one is ready again.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.0.first_key().map(|(due, _)| due)
    }

    /// The next one, if it is ready again.
    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Shelved> {
        self.next_due().filter(|due| *due <= now)?;
        self.0.pop_first()
    }

    /// Takes messages out of memory that the journal has, if there are many.
    pub(super) fn page_out(&mut self, pager: &dyn Pager, how: PageOut) {
        self.0.page_out(pager, how);
    }

    #[cfg(test)]
    pub(super) fn contents(&self) -> Vec<super::contents::Content> {
        self.0.contents()
    }

    /// All, taken out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Shelved> {
        self.0.drain()
    }
}
