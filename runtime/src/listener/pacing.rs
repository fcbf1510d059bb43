//! How failed messages are counted and paced: which pause comes before which redelivery, and the
//! messages that wait for theirs. Pure: the time is handed in.

#[cfg(test)]
mod counting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use springhare_broker::Delivery;

use super::outcome::RETRY_AFTER_MAX;
use super::retry::{DELIVERIES_MAX, Redeliveries};
use crate::connection::DeliveryCounting;
use crate::template::Retried;

/// The pause before the second redelivery; the first comes at once.
pub(crate) const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The pause that the doubling ends at.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How many deliveries of a message had failed before this one, and how the next one is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) before: u32,
    way_back: WayBack,
}

/// How a message goes back to its queue so that its next delivery tells this one's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WayBack {
    /// Requeued: the broker counts that, or this was the first delivery, and a second one is
    /// told by its redelivered flag.
    Requeued,
    /// As a copy with the number in a header: the broker does not count.
    Republished,
}

impl Failures {
    /// What a delivery tells. RabbitMQ's classic queues count nothing: there a retry copy has the
    /// number in a header, and a delivery that came before, of the original or of the copy, is
    /// one failure more.
    pub(crate) fn of(
        delivery: &Delivery,
        retried: Option<&Retried>,
        counting: DeliveryCounting,
    ) -> Self {
        let of_copy = retried.map_or(0, |retried| retried.failures);
        let counted = delivery.delivery_count;
        if counting == DeliveryCounting::OnEveryQueue || (delivery.redelivered && counted > 0) {
            let before = of_copy.saturating_add(counted);
            return Self { before, way_back: WayBack::Requeued };
        }
        let before = of_copy.saturating_add(u32::from(delivery.redelivered));
        // The count of a first delivery is a header that its publisher took over from another
        // message. It would hide that nobody counts, and a copy is without it.
        let is_told_by_its_return = before == 0 && counted == 0;
        let way_back = if is_told_by_its_return { WayBack::Requeued } else { WayBack::Republished };
        Self { before, way_back }
    }

    /// The failures, this delivery's one with them.
    pub(crate) fn attempts(self) -> u32 {
        self.before.saturating_add(1)
    }

    /// What becomes of the message now that this delivery failed too.
    pub(crate) fn redelivery(self, redeliveries: &Redeliveries) -> Redelivery {
        match redeliveries {
            Redeliveries::Paced { limit } if self.attempts() >= *limit => Redelivery::Ended,
            Redeliveries::Endless => Redelivery::RequeueAfter(Duration::ZERO),
            Redeliveries::Paced { .. } => self.after(pause_after(self.before)),
            Redeliveries::After(delays) => match usize::try_from(self.before) {
                Ok(before) => {
                    delays.get(before).map_or(Redelivery::Ended, |d| Redelivery::Delayed(*d))
                }
                Err(_) => Redelivery::Ended,
            },
        }
    }

    /// The next delivery after this pause, which its handler has chosen, if there is to be one.
    pub(crate) fn redelivery_after(
        self,
        pause: Duration,
        redeliveries: &Redeliveries,
    ) -> Redelivery {
        let limit = match redeliveries {
            Redeliveries::Paced { limit } => *limit,
            Redeliveries::After(_) => DELIVERIES_MAX,
            Redeliveries::Endless => u32::MAX,
        };
        if self.attempts() >= limit {
            return Redelivery::Ended;
        }
        self.after(pause.min(RETRY_AFTER_MAX))
    }

    fn after(self, pause: Duration) -> Redelivery {
        match self.way_back {
            WayBack::Requeued => Redelivery::RequeueAfter(pause),
            WayBack::Republished => Redelivery::RepublishAfter(pause),
        }
    }
}

/// What becomes of a message that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redelivery {
    /// Back to its place in the queue, after this pause.
    RequeueAfter(Duration),
    /// A copy of it to the end of the queue, after this pause.
    RepublishAfter(Duration),
    /// A copy of it that waits at the broker for this time.
    Delayed(Duration),
    /// No more: dead-lettered or parked.
    Ended,
}

/// The pause before the next delivery of a message, `before` of whose deliveries had failed before
/// the last one.
fn pause_after(before: u32) -> Duration {
    let Some(doublings) = before.checked_sub(1) else { return Duration::ZERO };
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    PAUSE_MIN.saturating_mul(factor).min(PAUSE_MAX)
}

/// The deliveries that wait out their pause, each holding its prefetch slot, and what is done with
/// them after it.
#[derive(Debug)]
pub(crate) struct Paused<T> {
    by_time: BTreeSet<(Duration, u64)>,
    by_tag: BTreeMap<u64, T>,
}

impl<T> Paused<T> {
    pub(crate) fn insert(&mut self, delivery_tag: u64, due: Duration, then: T) {
        self.by_time.insert((due, delivery_tag));
        self.by_tag.insert(delivery_tag, then);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_tag.len()
    }

    /// When the next pause ends.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// Takes a delivery out whose pause has ended.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<(u64, T)> {
        let (due, delivery_tag) = *self.by_time.first()?;
        if due > now {
            return None;
        }
        self.by_time.pop_first();
        self.by_tag.remove_entry(&delivery_tag)
    }

    /// Takes all out, whatever is left of their pauses.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = u64> + use<T> {
        self.by_time.clear();
        std::mem::take(&mut self.by_tag).into_keys()
    }
}

impl<T> Default for Paused<T> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_tag: BTreeMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springhare_amqp::ShortString;
    use springhare_broker::PublishedMessage;
    use std::sync::Arc;

    const DEFAULT: Redeliveries = Redeliveries::Paced { limit: 20 };

    fn delivery(redelivered: bool, delivery_count: u32) -> Delivery {
        let message = Arc::new(PublishedMessage::new(
            ShortString::EMPTY,
            ShortString::EMPTY,
            springhare_amqp::Message::default(),
        ));
        Delivery { delivery_tag: 1, redelivered, delivery_count, message }
    }

    fn failures(redelivered: bool, delivery_count: u32) -> Failures {
        let delivery = delivery(redelivered, delivery_count);
        Failures::of(&delivery, None, DeliveryCounting::OnSomeQueues)
    }

    fn failures_of_copy(redelivered: bool, delivery_count: u32, failures: u32) -> Failures {
        let (exchange, routing_key) = (ShortString::EMPTY, ShortString::EMPTY);
        let retried = Retried { failures, exchange, routing_key };
        let delivery = delivery(redelivered, delivery_count);
        Failures::of(&delivery, Some(&retried), DeliveryCounting::OnSomeQueues)
    }

    #[test]
    fn the_first_redelivery_is_at_once_and_the_pauses_double_up_to_five_seconds() {
        let millis: Vec<u128> = (0..9).map(|before| pause_after(before).as_millis()).collect();
        assert_eq!(millis, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause_after(u32::MAX), PAUSE_MAX);
    }

    #[test]
    fn the_twentieth_delivery_is_the_last() {
        assert_eq!(failures(true, 18).redelivery(&DEFAULT), Redelivery::RequeueAfter(PAUSE_MAX));
        assert_eq!(failures(true, 19).redelivery(&DEFAULT), Redelivery::Ended);
        assert_eq!(failures(true, u32::MAX).redelivery(&DEFAULT), Redelivery::Ended);
        let copy = failures_of_copy(false, 0, 18);
        assert_eq!(copy.redelivery(&DEFAULT), Redelivery::RepublishAfter(PAUSE_MAX));
        assert_eq!(failures_of_copy(false, 0, 19).redelivery(&DEFAULT), Redelivery::Ended);
        assert_eq!(failures_of_copy(true, 0, 18).redelivery(&DEFAULT), Redelivery::Ended);
        assert_eq!(failures_of_copy(true, 1, u32::MAX).attempts(), u32::MAX);
    }

    #[test]
    fn a_time_that_the_handler_chose_holds_whatever_its_listener_does_with_failures() {
        let pause = Duration::from_secs(30);
        let delays = Redeliveries::After([Duration::from_secs(5)].into());
        for redeliveries in [&Redeliveries::none(), &delays, &DEFAULT, &Redeliveries::Endless] {
            let next = failures(true, 18).redelivery_after(pause, redeliveries);
            assert_eq!(next, Redelivery::RequeueAfter(pause), "{redeliveries:?}");
        }
        for redeliveries in [&Redeliveries::none(), &delays, &DEFAULT] {
            let next = failures(true, 19).redelivery_after(pause, redeliveries);
            assert_eq!(next, Redelivery::Ended, "{redeliveries:?}");
        }
        let longest = failures(false, 0).redelivery_after(Duration::MAX, &DEFAULT);
        assert_eq!(longest, Redelivery::RequeueAfter(RETRY_AFTER_MAX));
    }

    #[test]
    fn a_delay_follows_each_failure_until_there_is_none_left() {
        let second = Duration::from_secs(1);
        let delays = Redeliveries::After([second, 2 * second].into());
        assert_eq!(failures(false, 0).redelivery(&delays), Redelivery::Delayed(second));
        assert_eq!(
            failures_of_copy(false, 0, 1).redelivery(&delays),
            Redelivery::Delayed(2 * second)
        );
        assert_eq!(failures_of_copy(false, 0, 2).redelivery(&delays), Redelivery::Ended);
        assert_eq!(failures(false, 0).redelivery(&Redeliveries::none()), Redelivery::Ended);
    }

    #[test]
    fn the_first_failure_needs_no_count() {
        assert_eq!(failures(false, 0).attempts(), 1);
        assert_eq!(
            failures(false, 0).redelivery(&DEFAULT),
            Redelivery::RequeueAfter(Duration::ZERO)
        );
    }

    #[test]
    fn where_the_broker_does_not_count_the_copies_do() {
        let second = failures(true, 0);
        assert_eq!(second.attempts(), 2);
        assert_eq!(second.redelivery(&DEFAULT), Redelivery::RepublishAfter(PAUSE_MIN));
        let third = failures_of_copy(false, 0, 2);
        assert_eq!(third.attempts(), 3);
        assert_eq!(third.redelivery(&DEFAULT), Redelivery::RepublishAfter(PAUSE_MIN * 2));
        // Its consumer was lost with it, or stopped in its pause.
        assert_eq!(failures_of_copy(true, 0, 2).attempts(), 4);
        // A copy in a queue that counts.
        let counted = failures_of_copy(true, 1, 2);
        assert_eq!(counted.attempts(), 4);
        assert_eq!(counted.redelivery(&DEFAULT), Redelivery::RequeueAfter(PAUSE_MIN * 4));
    }

    #[test]
    fn a_broker_that_always_counts_is_believed() {
        // It was put back without a failure.
        let back = Failures::of(&delivery(true, 0), None, DeliveryCounting::OnEveryQueue);
        assert_eq!(back.attempts(), 1);
        assert_eq!(back.redelivery(&DEFAULT), Redelivery::RequeueAfter(Duration::ZERO));
    }

    #[test]
    fn a_count_that_the_publisher_sent_along_counts_nothing_and_is_got_rid_of() {
        let first = failures(false, 7);
        assert_eq!(first.attempts(), 1);
        assert_eq!(first.redelivery(&DEFAULT), Redelivery::RepublishAfter(Duration::ZERO));
    }

    #[test]
    fn pauses_end_in_the_order_of_their_times() {
        let mut paused = Paused::default();
        paused.insert(1, Duration::from_secs(3), "three");
        paused.insert(2, Duration::from_secs(1), "one");
        assert_eq!(paused.next_due(), Some(Duration::from_secs(1)));
        assert_eq!(paused.pop_due(Duration::from_secs(2)), Some((2, "one")));
        assert_eq!(paused.pop_due(Duration::from_secs(2)), None);
        assert_eq!(paused.drain().collect::<Vec<_>>(), [1]);
        assert_eq!(paused.len(), 0);
        assert_eq!(paused.next_due(), None);
    }
}
