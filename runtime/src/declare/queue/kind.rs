//! The kinds of queues that RabbitMQ has, and what only one of them has.

use std::time::Duration;

use super::{Kind, Queue};

/// The largest segment of a stream that RabbitMQ takes, in bytes.
const SEGMENT_BYTES_MAX: u64 = 3_000_000_000;
/// The smallest filter of a stream that RabbitMQ takes, in bytes; the largest is 255.
const FILTER_BYTES_MIN: u8 = 16;

/// Which node of a cluster leads a queue (`x-queue-leader-locator`), for
/// [`Queue::leader_locator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaderLocator {
    /// `client-local`: the one that the declaring connection is on.
    ClientLocal,
    /// `balanced`: one that leads few queues, or any where there are many.
    Balanced,
}

impl LeaderLocator {
    fn name(self) -> &'static str {
        match self {
            Self::ClientLocal => "client-local",
            Self::Balanced => "balanced",
        }
    }
}

impl Queue {
    /// A classic queue, on one node of a cluster (`x-queue-type`). It is what a queue is that says
    /// nothing, unless the virtual host has another default.
    pub fn classic(self) -> Self {
        self.of_kind(Kind::Classic)
    }

    /// A quorum queue: on several nodes of a RabbitMQ cluster, a majority of which has every
    /// confirmed message (`x-queue-type`), since RabbitMQ 3.8. It is durable, never exclusive and
    /// stays when its last consumer goes.
    ///
    /// The embedded broker has no cluster: it checks the same rules and keeps the messages as a
    /// classic queue does, so that the program runs on both.
    pub fn quorum(self) -> Self {
        self.of_kind(Kind::Quorum)
    }

    /// A stream: a log that is read and not emptied (`x-queue-type`), since RabbitMQ 3.9. It is
    /// durable, never exclusive and stays when its last consumer goes. Every consumer reads all of
    /// it, from its `x-stream-offset` on (a listener's `stream_offset`), acknowledges, and needs a
    /// prefetch.
    ///
    /// Without [`max_age`](Self::max_age) or [`max_length_bytes`](Self::max_length_bytes) it grows
    /// for ever.
    pub fn stream(self) -> Self {
        self.of_kind(Kind::Stream)
    }

    fn of_kind(self, kind: Kind) -> Self {
        self.argument("x-queue-type", kind.name())
    }

    /// A classic queue keeps its messages on disk (`x-queue-mode`) before RabbitMQ 3.12; from then
    /// on all do, and it means nothing.
    pub fn lazy(self) -> Self {
        self.argument("x-queue-mode", "lazy")
    }

    /// Which node of a cluster leads the queue (`x-queue-leader-locator`), since RabbitMQ 3.10 for
    /// quorum queues and streams, later for classic ones too.
    pub fn leader_locator(self, locator: LeaderLocator) -> Self {
        self.argument("x-queue-leader-locator", locator.name())
    }

    /// On how many nodes of the cluster a quorum queue starts, more than 0
    /// (`x-quorum-initial-group-size`); the broker has fewer if it has fewer nodes.
    pub fn quorum_initial_group_size(mut self, nodes: u16) -> Self {
        if nodes == 0 {
            self.draft.fault("a quorum queue is on one node at least: give it 1 or more");
        }
        self.argument("x-quorum-initial-group-size", i64::from(nodes))
    }

    /// On how many nodes of the cluster a stream starts, more than 0 (`x-initial-cluster-size`);
    /// the broker has fewer if it has fewer nodes.
    pub fn initial_cluster_size(mut self, nodes: u16) -> Self {
        if nodes == 0 {
            self.draft.fault("a stream is on one node at least: give it 1 or more");
        }
        self.argument("x-initial-cluster-size", i64::from(nodes))
    }

    /// How old the messages of a stream may be, in whole seconds, before the segment that they are
    /// in is dropped (`x-max-age`); a second at least, ten years at most.
    pub fn max_age(mut self, age: Duration) -> Self {
        if age.as_secs() == 0 {
            self.draft.fault("`x-max-age` of less than a second is none: give it a second or more");
        }
        self.draft.within_ten_years("x-max-age", age);
        self.argument("x-max-age", format!("{}s", age.as_secs()))
    }

    /// The size of a stream's segments, which are dropped as a whole
    /// (`x-stream-max-segment-size-bytes`); 3 GB at most, and 500 MB where nothing is said.
    pub fn max_segment_size_bytes(mut self, bytes: u64) -> Self {
        if bytes > SEGMENT_BYTES_MAX {
            self.draft.fault(format!(
                "`x-stream-max-segment-size-bytes` of {bytes} is more than a broker takes: give it \
                 {SEGMENT_BYTES_MAX} or less"
            ));
        }
        self.draft.count("x-stream-max-segment-size-bytes", bytes);
        self
    }

    /// The size of the filter that a stream has for each chunk (`x-stream-filter-size-bytes`),
    /// 16 to 255, since RabbitMQ 3.13; 16 where nothing is said.
    ///
    /// The embedded broker does not filter.
    pub fn filter_size_bytes(mut self, bytes: u8) -> Self {
        if bytes < FILTER_BYTES_MIN {
            self.draft.fault(format!(
                "`x-stream-filter-size-bytes` of {bytes} is less than a broker takes: give it \
                 {FILTER_BYTES_MIN} or more"
            ));
        }
        self.argument("x-stream-filter-size-bytes", i64::from(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{argument, faults};
    use super::*;

    #[test]
    fn each_kind_says_what_it_is_and_takes_its_own() {
        let quorum = Queue::durable("orders")
            .quorum()
            .quorum_initial_group_size(3)
            .leader_locator(LeaderLocator::Balanced);
        assert_eq!(faults(&quorum), "");
        assert_eq!(argument(&quorum, "x-queue-type"), Some("quorum".into()));
        assert_eq!(argument(&quorum, "x-quorum-initial-group-size"), Some(3_i64.into()));
        assert_eq!(argument(&quorum, "x-queue-leader-locator"), Some("balanced".into()));
        let stream = Queue::durable("log")
            .stream()
            .max_age(Duration::from_secs(3600))
            .max_length_bytes(1 << 30)
            .max_segment_size_bytes(1 << 20)
            .filter_size_bytes(32)
            .initial_cluster_size(3)
            .leader_locator(LeaderLocator::ClientLocal);
        assert_eq!(faults(&stream), "");
        assert_eq!(argument(&stream, "x-queue-type"), Some("stream".into()));
        assert_eq!(argument(&stream, "x-max-age"), Some("3600s".into()));
        let segment = argument(&stream, "x-stream-max-segment-size-bytes");
        assert_eq!(segment, Some((1_i64 << 20).into()));
        assert_eq!(argument(&stream, "x-stream-filter-size-bytes"), Some(32_i64.into()));
        assert_eq!(argument(&stream, "x-initial-cluster-size"), Some(3_i64.into()));
        assert_eq!(argument(&stream, "x-queue-leader-locator"), Some("client-local".into()));
        let classic = Queue::anonymous().classic().max_priority(5).lazy();
        assert_eq!(faults(&classic), "");
        assert_eq!(argument(&classic, "x-queue-type"), Some("classic".into()));
        assert_eq!(argument(&classic, "x-queue-mode"), Some("lazy".into()));
    }

    #[test]
    fn values_that_no_broker_takes_are_faults() {
        let group = faults(&Queue::durable("q").quorum().quorum_initial_group_size(0));
        assert!(group.contains("1 or more"), "{group}");
        let cluster = faults(&Queue::durable("q").stream().initial_cluster_size(0));
        assert!(cluster.contains("1 or more"), "{cluster}");
        let age = faults(&Queue::durable("q").stream().max_age(Duration::from_millis(999)));
        assert!(age.contains("a second or more"), "{age}");
        let age = faults(&Queue::durable("q").stream().max_age(Duration::from_secs(315_360_001)));
        assert!(age.contains("the longest is ten years"), "{age}");
        let segment = faults(&Queue::durable("q").stream().max_segment_size_bytes(3_000_000_001));
        assert!(segment.contains("3000000000 or less"), "{segment}");
        let filter = faults(&Queue::durable("q").stream().filter_size_bytes(15));
        assert!(filter.contains("16 or more"), "{filter}");
    }
}
