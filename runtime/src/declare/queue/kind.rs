//! The kinds of queues that RabbitMQ has, and what each of them takes.

use std::time::Duration;

use super::Queue;

/// The largest segment of a stream that RabbitMQ takes, in bytes.
const SEGMENT_BYTES_MAX: u64 = 3_000_000_000;

/// The kind of a queue (`x-queue-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Classic,
    Quorum,
    Stream,
}

/// The arguments that not every kind takes, and who does. A broker refuses the others with
/// `invalid arg '..' for queue '..' of queue type ..` (406).
const TAKEN_BY: [(&str, &[Kind]); 14] = [
    ("x-dead-letter-exchange", &[Kind::Classic, Kind::Quorum]),
    ("x-dead-letter-routing-key", &[Kind::Classic, Kind::Quorum]),
    ("x-delivery-limit", &[Kind::Quorum]),
    ("x-expires", &[Kind::Classic, Kind::Quorum]),
    ("x-initial-cluster-size", &[Kind::Stream]),
    ("x-max-age", &[Kind::Stream]),
    ("x-max-length", &[Kind::Classic, Kind::Quorum]),
    ("x-max-priority", &[Kind::Classic]),
    ("x-message-ttl", &[Kind::Classic, Kind::Quorum]),
    ("x-overflow", &[Kind::Classic, Kind::Quorum]),
    ("x-queue-mode", &[Kind::Classic]),
    ("x-quorum-initial-group-size", &[Kind::Quorum]),
    ("x-single-active-consumer", &[Kind::Classic, Kind::Quorum]),
    ("x-stream-max-segment-size-bytes", &[Kind::Stream]),
];

impl Kind {
    const ALL: [Self; 3] = [Self::Classic, Self::Quorum, Self::Stream];

    /// What `x-queue-type` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }

    /// The kind that the queue's arguments say, classic if they say none; none if they say one
    /// that is not known here.
    fn of(queue: &Queue) -> Option<Self> {
        match queue.arguments().get("x-queue-type") {
            None => Some(Self::Classic),
            Some(name) => Self::ALL.into_iter().find(|kind| name.as_str() == Some(kind.name())),
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
    /// confirmed message (`x-queue-type`). It is durable, never exclusive and stays when its last
    /// consumer goes.
    ///
    /// The embedded broker has no cluster: it checks the same rules and keeps the messages as a
    /// classic queue does, so that the program runs on both.
    pub fn quorum(self) -> Self {
        self.of_kind(Kind::Quorum)
    }

    /// A stream: a log that is read and not emptied (`x-queue-type`). It is durable, never
    /// exclusive and stays when its last consumer goes; consumers need a prefetch.
    ///
    /// The embedded broker has no streams and refuses it with 540 `NOT_IMPLEMENTED`.
    pub fn stream(self) -> Self {
        self.of_kind(Kind::Stream)
    }

    fn of_kind(self, kind: Kind) -> Self {
        self.argument("x-queue-type", kind.name())
    }

    /// How often a message of a quorum queue may come back before it is dropped or dead-lettered
    /// (`x-delivery-limit`). RabbitMQ 3 has no limit unless one is set, RabbitMQ 4 one of 20.
    ///
    /// The embedded broker checks and keeps it, but does not act upon it yet.
    pub fn delivery_limit(self, redeliveries: u32) -> Self {
        self.argument("x-delivery-limit", i64::from(redeliveries))
    }

    /// On how many nodes of the cluster a quorum queue starts, more than 0
    /// (`x-quorum-initial-group-size`); the broker has fewer if it has fewer nodes.
    pub fn quorum_initial_group_size(mut self, nodes: u16) -> Self {
        if nodes == 0 {
            self.draft.fault("a quorum queue is on one node at least: give it 1 or more");
        }
        self.argument("x-quorum-initial-group-size", i64::from(nodes))
    }

    /// How old the messages of a stream may be, in whole seconds, before the segment that they are
    /// in is dropped (`x-max-age`); a second at least.
    pub fn max_age(mut self, age: Duration) -> Self {
        if age.as_secs() == 0 {
            self.draft.fault("`x-max-age` of less than a second is none: give it a second or more");
        }
        self.argument("x-max-age", format!("{}s", age.as_secs()))
    }

    /// The size of a stream's segments on disk, which are dropped as a whole
    /// (`x-stream-max-segment-size-bytes`); 3 GB at most.
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

    /// What a queue of its kind can't be or does not take: a broker would refuse it.
    pub(super) fn faults_of_kind(&self) -> Vec<String> {
        let Some(kind) = Kind::of(self) else { return Vec::new() };
        let (name, is) = (self.name(), kind.name());
        let mut faults = Vec::new();
        if kind != Kind::Classic {
            for (wrong, what, remedy) in [
                (!self.durable, "transient", "declare it with `Queue::durable(..)`"),
                (self.exclusive, "exclusive", "leave `.exclusive()` out, or the kind"),
                (self.auto_delete, "auto-delete", "leave `.auto_delete()` out, or the kind"),
            ] {
                if wrong {
                    faults.push(format!(
                        "queue '{name}' is a {is} queue, which can't be {what}: {remedy}"
                    ));
                }
            }
        }
        for (argument, kinds) in TAKEN_BY {
            if self.arguments().contains(argument) && !kinds.contains(&kind) {
                let kinds: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
                faults.push(format!(
                    "queue '{name}' is a {is} queue, which takes no `{argument}`, only {} ones do: \
                     leave it out, or declare the queue as one",
                    kinds.join(" and ")
                ));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(queue: &Queue) -> String {
        let texts: Vec<_> = queue.faults().map(|fault| fault.text().to_owned()).collect();
        texts.join("\n")
    }

    #[test]
    fn each_kind_says_what_it_is_and_takes_its_own() {
        let quorum = Queue::durable("orders")
            .quorum()
            .delivery_limit(5)
            .quorum_initial_group_size(3)
            .single_active_consumer()
            .dead_letter_queue("orders.dead")
            .message_ttl(Duration::from_secs(60))
            .expires(Duration::from_secs(60))
            .max_length(10)
            .max_length_bytes(1000)
            .reject_publish_when_full();
        assert_eq!(faults(&quorum), "");
        let argument = |queue: &Queue, name| queue.arguments().get(name).cloned();
        assert_eq!(argument(&quorum, "x-queue-type"), Some("quorum".into()));
        assert_eq!(argument(&quorum, "x-delivery-limit"), Some(5_i64.into()));
        assert_eq!(argument(&quorum, "x-quorum-initial-group-size"), Some(3_i64.into()));
        let stream = Queue::durable("log")
            .stream()
            .max_age(Duration::from_secs(3600))
            .max_length_bytes(1 << 30)
            .max_segment_size_bytes(1 << 20);
        assert_eq!(faults(&stream), "");
        assert_eq!(argument(&stream, "x-queue-type"), Some("stream".into()));
        assert_eq!(argument(&stream, "x-max-age"), Some("3600s".into()));
        let segment = argument(&stream, "x-stream-max-segment-size-bytes");
        assert_eq!(segment, Some((1_i64 << 20).into()));
        let classic = Queue::anonymous().classic().max_priority(5).argument("x-queue-mode", "lazy");
        assert_eq!(faults(&classic), "");
        assert_eq!(argument(&classic, "x-queue-type"), Some("classic".into()));
    }

    #[test]
    fn what_a_kind_can_not_be_is_a_fault() {
        for queue in [Queue::transient("q").quorum(), Queue::transient("q").stream()] {
            assert!(faults(&queue).contains("`Queue::durable(..)`"), "{}", faults(&queue));
        }
        let exclusive = faults(&Queue::durable("q").exclusive().quorum());
        assert!(
            exclusive.contains("'q' is a quorum queue, which can't be exclusive"),
            "{exclusive}"
        );
        let kept = faults(&Queue::durable("q").auto_delete().stream());
        assert!(kept.contains("'q' is a stream queue, which can't be auto-delete"), "{kept}");
        assert_eq!(Queue::anonymous().quorum().faults().count(), 3);
        // Told by the argument's name it is the same queue.
        let named = Queue::transient("q").argument("x-queue-type", "quorum");
        assert_eq!(faults(&named), faults(&Queue::transient("q").quorum()));
    }

    #[test]
    fn what_a_kind_does_not_take_is_a_fault() {
        let priority = faults(&Queue::durable("q").quorum().max_priority(5));
        assert!(priority.contains("takes no `x-max-priority`, only classic ones do"), "{priority}");
        let limit = faults(&Queue::durable("q").delivery_limit(3));
        assert!(limit.contains("'q' is a classic queue"), "{limit}");
        assert!(limit.contains("`x-delivery-limit`, only quorum ones do"), "{limit}");
        let stream = Queue::durable("q").stream().single_active_consumer().max_length(5);
        assert_eq!(stream.faults().count(), 2);
        assert!(faults(&stream).contains("only classic and quorum ones do"), "{}", faults(&stream));
        // What a plugin's kind takes is its own matter.
        let other = Queue::durable("q").argument("x-queue-type", "other").delivery_limit(3);
        assert_eq!(faults(&other), "");
    }

    #[test]
    fn values_that_no_broker_takes_are_faults() {
        let group = faults(&Queue::durable("q").quorum().quorum_initial_group_size(0));
        assert!(group.contains("1 or more"), "{group}");
        let age = faults(&Queue::durable("q").stream().max_age(Duration::from_millis(999)));
        assert!(age.contains("a second or more"), "{age}");
        let segment = faults(&Queue::durable("q").stream().max_segment_size_bytes(3_000_000_001));
        assert!(segment.contains("3000000000 or less"), "{segment}");
    }
}
