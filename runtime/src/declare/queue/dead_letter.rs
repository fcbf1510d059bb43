//! Where a queue's dead letters go: what was rejected, has expired, found no room or failed too
//! often.

use super::Queue;

/// How surely a quorum queue's dead letters arrive (`x-dead-letter-strategy`), for
/// [`Queue::dead_letter_strategy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadLetterStrategy {
    /// `at-most-once`: what no queue takes is dropped.
    AtMostOnce,
    /// `at-least-once`: what no queue takes is kept, and tried again. It needs a quorum queue with
    /// [`Overflow::RejectPublish`](crate::Overflow::RejectPublish).
    AtLeastOnce,
}

impl DeadLetterStrategy {
    fn name(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
        }
    }
}

impl Queue {
    /// The exchange that its dead letters go to (`x-dead-letter-exchange`), under the key that
    /// they came with unless [`dead_letter_routing_key`](Self::dead_letter_routing_key) says
    /// another. An empty name is the default exchange.
    ///
    /// A listener's message that is given up goes there too, and then it is not parked in
    /// `<queue>.error`.
    pub fn dead_letter(self, exchange: impl AsRef<str>) -> Self {
        self.argument("x-dead-letter-exchange", exchange.as_ref())
    }

    /// The key that its dead letters have (`x-dead-letter-routing-key`), in place of their own and
    /// of those of `CC`. It needs [`dead_letter`](Self::dead_letter).
    pub fn dead_letter_routing_key(self, routing_key: impl AsRef<str>) -> Self {
        self.argument("x-dead-letter-routing-key", routing_key.as_ref())
    }

    /// The queue that its dead letters go to: the default exchange, and that queue's name as the
    /// key.
    pub fn dead_letter_queue(self, queue: impl AsRef<str>) -> Self {
        self.dead_letter("").dead_letter_routing_key(queue)
    }

    /// How surely a quorum queue's dead letters arrive (`x-dead-letter-strategy`), since RabbitMQ
    /// 3.10; at most once where nothing is said.
    ///
    /// On the embedded broker a dead letter leaves its queue only when the queues that it is routed
    /// to have it. What no queue takes (there is no route, or a full queue with
    /// [`Overflow::RejectPublish`](crate::Overflow::RejectPublish) refuses it) is dropped under
    /// `at-most-once`, and kept and tried again under `at-least-once`, which needs a quorum queue
    /// with [`dead_letter`](Self::dead_letter) and that overflow.
    pub fn dead_letter_strategy(self, strategy: DeadLetterStrategy) -> Self {
        self.argument("x-dead-letter-strategy", strategy.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{argument, faults};
    use super::*;
    use crate::declare::queue::Overflow;

    #[test]
    fn dead_letters_go_to_an_exchange_or_straight_to_a_queue() {
        let queue = Queue::durable("q").dead_letter("dead").dead_letter_routing_key("q");
        assert_eq!(argument(&queue, "x-dead-letter-exchange"), Some("dead".into()));
        assert_eq!(argument(&queue, "x-dead-letter-routing-key"), Some("q".into()));
        let queue = Queue::durable("q").dead_letter_queue("graves");
        assert_eq!(argument(&queue, "x-dead-letter-exchange"), Some("".into()));
        assert_eq!(argument(&queue, "x-dead-letter-routing-key"), Some("graves".into()));
        let queue = queue
            .quorum()
            .overflow(Overflow::RejectPublish)
            .dead_letter_strategy(DeadLetterStrategy::AtLeastOnce);
        assert_eq!(argument(&queue, "x-dead-letter-strategy"), Some("at-least-once".into()));
        assert_eq!(faults(&queue), "");
        let queue = queue.dead_letter_strategy(DeadLetterStrategy::AtMostOnce);
        assert_eq!(argument(&queue, "x-dead-letter-strategy"), Some("at-most-once".into()));
    }
}
