//! Who gets a queue's messages, in which order, and what happens to those that come back.

use std::time::Duration;

use super::Queue;

/// Which messages wait before they are delivered again (`x-delayed-retry-type`), for
/// [`Queue::delayed_retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DelayedRetry {
    /// `disabled`: none. What a queue does that says nothing.
    Disabled,
    /// `all`: every message that comes back.
    All,
    /// `failed`: those whose delivery has failed: rejected with requeue, or on a channel that was
    /// lost.
    Failed,
    /// `returned`: those that were put back without having failed, by `basic.nack`.
    Returned,
}

impl DelayedRetry {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::All => "all",
            Self::Failed => "failed",
            Self::Returned => "returned",
        }
    }
}

impl Queue {
    /// The highest priority that its messages can have (`x-max-priority`), 1 to 255; few are
    /// enough, since each costs. Those of a higher priority are delivered before all others, a
    /// message without one has 0, one above the highest has that.
    ///
    /// Classic queues only. RabbitMQ's quorum queues have priorities without it: two levels since
    /// 4.0, 32 since 4.3.
    pub fn max_priority(mut self, priority: u8) -> Self {
        if priority == 0 {
            self.draft
                .fault("`x-max-priority` of 0 is no priority: give it 1 or more, or leave it out");
        }
        self.argument("x-max-priority", i64::from(priority))
    }

    /// One consumer gets all messages, the others wait to take its place
    /// (`x-single-active-consumer`), since RabbitMQ 3.8.
    pub fn single_active_consumer(self) -> Self {
        self.argument("x-single-active-consumer", true)
    }

    /// How often a message of a quorum queue may fail and come back before it is dropped or
    /// dead-lettered (`x-delivery-limit`), since RabbitMQ 3.8. Without it RabbitMQ 3 has no limit,
    /// RabbitMQ 4 one of 20.
    pub fn delivery_limit(self, redeliveries: u32) -> Self {
        self.argument("x-delivery-limit", i64::from(redeliveries))
    }

    /// A message of a quorum queue may fail for ever: `x-delivery-limit` of -1, since RabbitMQ
    /// 4.0.
    pub fn no_delivery_limit(self) -> Self {
        self.argument("x-delivery-limit", -1_i64)
    }

    /// A message of a quorum queue that comes back waits before it is delivered again: this long,
    /// times the number of its failed deliveries (`x-delayed-retry-type` and
    /// `x-delayed-retry-min`), in whole milliseconds and one at least. Since RabbitMQ 4.3.
    ///
    /// ```
    /// use std::time::Duration;
    /// use springhare::{DelayedRetry, Queue};
    ///
    /// // A second, two seconds, .. up to half a minute; after ten times it is dead.
    /// let queue = Queue::durable("orders")
    ///     .quorum()
    ///     .delayed_retry(DelayedRetry::Failed, Duration::from_secs(1))
    ///     .delayed_retry_max(Duration::from_secs(30))
    ///     .delivery_limit(10);
    /// # drop(queue);
    /// ```
    pub fn delayed_retry(mut self, which: DelayedRetry, step: Duration) -> Self {
        self.draft.some_milliseconds("x-delayed-retry-min", step, "delays nothing");
        self.argument("x-delayed-retry-type", which.name())
    }

    /// How long a message waits at the most before it is delivered again
    /// (`x-delayed-retry-max`), in whole milliseconds; where nothing is said, a day on the
    /// embedded broker. Since RabbitMQ 4.3.
    pub fn delayed_retry_max(mut self, longest: Duration) -> Self {
        self.draft.some_milliseconds("x-delayed-retry-max", longest, "delays nothing");
        self
    }

    /// How long a consumer may take to acknowledge a message (`x-consumer-timeout`), in whole
    /// milliseconds, since RabbitMQ 3.12; 30 minutes where nothing is said. RabbitMQ closes the
    /// channel then. From 4.3 on only quorum queues have it.
    ///
    /// The embedded broker has no such timeout.
    pub fn consumer_timeout(mut self, longest: Duration) -> Self {
        self.draft.some_milliseconds("x-consumer-timeout", longest, "lets nobody consume");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{argument, faults};
    use super::*;

    #[test]
    fn who_gets_what_and_how_often() {
        let queue = Queue::durable("q").max_priority(9).single_active_consumer();
        let queue = queue.consumer_timeout(Duration::from_secs(60));
        assert_eq!(argument(&queue, "x-max-priority"), Some(9_i64.into()));
        assert_eq!(argument(&queue, "x-single-active-consumer"), Some(true.into()));
        assert_eq!(argument(&queue, "x-consumer-timeout"), Some(60_000_i64.into()));
        assert_eq!(faults(&queue), "");
        let none = faults(&Queue::durable("q").max_priority(0));
        assert!(none.contains("give it 1 or more"), "{none}");
        let queue = Queue::durable("q").quorum();
        let limited = queue.clone().delivery_limit(5);
        assert_eq!(argument(&limited, "x-delivery-limit"), Some(5_i64.into()));
        let unlimited = queue.no_delivery_limit();
        assert_eq!(argument(&unlimited, "x-delivery-limit"), Some((-1_i64).into()));
        assert_eq!(faults(&limited) + &faults(&unlimited), "");
    }

    #[test]
    fn a_retry_may_wait() {
        for (which, name) in [
            (DelayedRetry::Disabled, "disabled"),
            (DelayedRetry::All, "all"),
            (DelayedRetry::Failed, "failed"),
            (DelayedRetry::Returned, "returned"),
        ] {
            let queue = Queue::durable("q")
                .quorum()
                .delayed_retry(which, Duration::from_secs(1))
                .delayed_retry_max(Duration::from_secs(30));
            assert_eq!(argument(&queue, "x-delayed-retry-type"), Some(name.into()));
            assert_eq!(argument(&queue, "x-delayed-retry-min"), Some(1000_i64.into()));
            assert_eq!(argument(&queue, "x-delayed-retry-max"), Some(30_000_i64.into()));
            assert_eq!(faults(&queue), "");
        }
        let at_once = Queue::durable("q").quorum();
        let at_once = faults(&at_once.delayed_retry(DelayedRetry::All, Duration::ZERO));
        assert!(at_once.contains("`x-delayed-retry-min` of no time delays nothing"), "{at_once}");
    }
}
