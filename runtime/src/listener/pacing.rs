//! How failed messages are paced: which pause comes before which redelivery, and the messages
//! that wait for theirs. Pure: the time is handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A message that has failed this often is redelivered no more; RabbitMQ's default for quorum
/// queues.
pub(crate) const DELIVERIES_MAX: u32 = 20;
/// The pause before the second redelivery; the first comes at once.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The pause that the doubling ends at.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What becomes of a message that failed, when `failures` of its deliveries had failed before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redelivery {
    /// Back to the queue, after this pause.
    After(Duration),
    /// No more: dead-lettered or parked.
    Ended,
}

pub(crate) fn redelivery(failures: u32) -> Redelivery {
    if failures.saturating_add(1) >= DELIVERIES_MAX {
        return Redelivery::Ended;
    }
    let Some(doublings) = failures.checked_sub(1) else {
        return Redelivery::After(Duration::ZERO);
    };
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    Redelivery::After(PAUSE_MIN.saturating_mul(factor).min(PAUSE_MAX))
}

/// The deliveries that wait out their pause, each holding its prefetch slot.
#[derive(Debug, Default)]
pub(crate) struct Paused {
    by_time: BTreeSet<(Duration, u64)>,
    by_tag: BTreeMap<u64, Duration>,
}

impl Paused {
    pub(crate) fn insert(&mut self, delivery_tag: u64, due: Duration) {
        self.by_time.insert((due, delivery_tag));
        self.by_tag.insert(delivery_tag, due);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_tag.len()
    }

    /// When the next pause ends.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// Takes a delivery out whose pause has ended.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<u64> {
        let (due, delivery_tag) = *self.by_time.first()?;
        if due > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_tag.remove(&delivery_tag);
        Some(delivery_tag)
    }

    /// Takes all out, whatever is left of their pauses.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = u64> + use<> {
        self.by_time.clear();
        std::mem::take(&mut self.by_tag).into_keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_redelivery_is_at_once_and_the_pauses_double_up_to_five_seconds() {
        let millis: Vec<u128> = (0..9)
            .map(|failures| match redelivery(failures) {
                Redelivery::After(pause) => pause.as_millis(),
                Redelivery::Ended => panic!("ended after {failures}"),
            })
            .collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn the_twentieth_delivery_is_the_last() {
        assert_eq!(redelivery(18), Redelivery::After(PAUSE_MAX));
        assert_eq!(redelivery(19), Redelivery::Ended);
        assert_eq!(redelivery(u32::MAX), Redelivery::Ended);
    }

    #[test]
    fn pauses_end_in_the_order_of_their_times() {
        let mut paused = Paused::default();
        paused.insert(1, Duration::from_secs(3));
        paused.insert(2, Duration::from_secs(1));
        assert_eq!(paused.next_due(), Some(Duration::from_secs(1)));
        assert_eq!(paused.pop_due(Duration::from_secs(2)), Some(2));
        assert_eq!(paused.pop_due(Duration::from_secs(2)), None);
        assert_eq!(paused.drain().collect::<Vec<_>>(), [1]);
        assert_eq!(paused.len(), 0);
        assert_eq!(paused.next_due(), None);
    }
}
