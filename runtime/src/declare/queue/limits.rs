//! How long a queue and its messages live, and how much it holds.

use std::time::Duration;

use super::Queue;

/// What a full queue does (`x-overflow`), for [`Queue::overflow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// `drop-head`: it drops its oldest message, or dead-letters it. What a queue does that says
    /// nothing.
    DropHead,
    /// `reject-publish`: it refuses what is published. Its publisher gets
    /// [`NotConfirmed::Refused`](crate::NotConfirmed::Refused); other queues still get the message.
    RejectPublish,
    /// `reject-publish-dlx`: it refuses what is published and dead-letters that. Classic queues
    /// only.
    RejectPublishDlx,
}

impl Overflow {
    /// The argument's value.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DropHead => "drop-head",
            Self::RejectPublish => "reject-publish",
            Self::RejectPublishDlx => "reject-publish-dlx",
        }
    }
}

impl Queue {
    /// How long a message waits in it at most, in whole milliseconds (`x-message-ttl`); then it
    /// expires, and is dropped or dead-lettered. A message's own
    /// [`expiration`](crate::ConvertAndSend::expiration) counts if it is shorter. Zero is allowed:
    /// only a consumer that waits gets the message.
    ///
    /// Quorum queues have it since RabbitMQ 3.10.
    pub fn ttl(mut self, time_to_live: Duration) -> Self {
        self.draft.milliseconds("x-message-ttl", time_to_live);
        self
    }

    /// How long it may be unused before it is deleted, in whole milliseconds and one at least
    /// (`x-expires`). It is used while it has a consumer, and by each `basic.get` and each
    /// declaration. Its messages are not dead-lettered then.
    pub fn expires(mut self, unused: Duration) -> Self {
        self.draft.some_milliseconds("x-expires", unused, "deletes the queue at once");
        self
    }

    /// How many messages it holds at most (`x-max-length`). Those that are delivered and not yet
    /// acknowledged don't count. What happens to one too many, [`overflow`](Self::overflow) says.
    pub fn max_length(mut self, messages: u64) -> Self {
        self.draft.count("x-max-length", messages);
        self
    }

    /// How many bytes the bodies in it have at most (`x-max-length-bytes`), as
    /// [`max_length`](Self::max_length) counts. A stream drops whole segments from its front
    /// instead, and so holds a segment more.
    pub fn max_length_bytes(mut self, bytes: u64) -> Self {
        self.draft.count("x-max-length-bytes", bytes);
        self
    }

    /// What it does when it is full (`x-overflow`).
    pub fn overflow(self, overflow: Overflow) -> Self {
        self.argument("x-overflow", overflow.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{argument, faults};
    use super::*;

    #[test]
    fn limits_are_milliseconds_and_counts() {
        let queue = Queue::durable("q")
            .ttl(Duration::from_secs(60))
            .expires(Duration::from_millis(1))
            .max_length(10)
            .max_length_bytes(1 << 40);
        assert_eq!(argument(&queue, "x-message-ttl"), Some(60_000_i64.into()));
        assert_eq!(argument(&queue, "x-expires"), Some(1_i64.into()));
        assert_eq!(argument(&queue, "x-max-length"), Some(10_i64.into()));
        assert_eq!(argument(&queue, "x-max-length-bytes"), Some((1_i64 << 40).into()));
        assert_eq!(faults(&queue), "");
        assert_eq!(faults(&Queue::durable("q").ttl(Duration::ZERO)), "");
        for (overflow, name) in [
            (Overflow::DropHead, "drop-head"),
            (Overflow::RejectPublish, "reject-publish"),
            (Overflow::RejectPublishDlx, "reject-publish-dlx"),
        ] {
            let queue = Queue::durable("q").overflow(overflow);
            assert_eq!(argument(&queue, "x-overflow"), Some(name.into()));
        }
    }

    #[test]
    fn a_queue_that_is_over_at_once_is_a_fault() {
        let never = faults(&Queue::durable("q").expires(Duration::ZERO));
        assert!(never.contains("`x-expires` of no time deletes the queue at once"), "{never}");
    }
}
