//! What of a queue does not go together: a broker would refuse it, or do something else.
//!
//! It is judged by the arguments and not by the builder's calls, so that a listener's
//! `arguments(..)` and an argument that is told by its name are held to the same.

use springhare_amqp::{FieldTable, FieldValue, ShortString};
use springhare_broker::QueueDeclareOptions;

/// The kind of a queue (`x-queue-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Classic,
    Quorum,
    Stream,
}

/// The arguments that not every kind takes, and who does. A broker refuses the others with
/// `invalid arg '..' for queue '..' of queue type ..` (406).
const TAKEN_BY: [(&str, &[Kind]); 19] = [
    ("x-dead-letter-exchange", &[Kind::Classic, Kind::Quorum]),
    ("x-dead-letter-routing-key", &[Kind::Classic, Kind::Quorum]),
    ("x-dead-letter-strategy", &[Kind::Quorum]),
    ("x-delayed-retry-max", &[Kind::Quorum]),
    ("x-delayed-retry-min", &[Kind::Quorum]),
    ("x-delayed-retry-type", &[Kind::Quorum]),
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
    ("x-stream-filter-size-bytes", &[Kind::Stream]),
    ("x-stream-max-segment-size-bytes", &[Kind::Stream]),
];

impl Kind {
    const ALL: [Self; 3] = [Self::Classic, Self::Quorum, Self::Stream];

    /// What `x-queue-type` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }

    /// The kind that the arguments say, classic if they say none; none if they say one that is not
    /// known here.
    pub(crate) fn of(arguments: &FieldTable) -> Option<Self> {
        match arguments.get("x-queue-type") {
            None => Some(Self::Classic),
            Some(name) => Self::ALL.into_iter().find(|kind| name.as_str() == Some(kind.name())),
        }
    }
}

/// What of this queue does not go together.
pub(crate) fn contradictions(name: &str, options: &QueueDeclareOptions) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(kind) = Kind::of(&options.arguments) {
        what_it_can_not_be(name, kind, options, &mut faults);
        what_it_does_not_take(name, kind, &options.arguments, &mut faults);
    }
    dead_letters(name, &options.arguments, &mut faults);
    at_least_once(name, &options.arguments, &mut faults);
    delayed_retry(name, &options.arguments, &mut faults);
    faults
}

fn what_it_can_not_be(
    name: &str,
    kind: Kind,
    options: &QueueDeclareOptions,
    faults: &mut Vec<String>,
) {
    if kind == Kind::Classic {
        return;
    }
    for (wrong, what, remedy) in [
        (!options.durable, "transient", "declare it with `Queue::durable(..)` or `durable = true`"),
        (options.exclusive, "exclusive", "leave that out, or the kind"),
        (options.auto_delete, "auto-delete", "leave that out, or the kind"),
    ] {
        if wrong {
            faults.push(format!(
                "queue '{name}' is a {} queue, which can't be {what}: {remedy}",
                kind.name()
            ));
        }
    }
}

fn what_it_does_not_take(name: &str, kind: Kind, arguments: &FieldTable, faults: &mut Vec<String>) {
    let is = kind.name();
    for (argument, kinds) in TAKEN_BY {
        if arguments.contains(argument) && !kinds.contains(&kind) {
            let kinds: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            faults.push(format!(
                "queue '{name}' is a {is} queue, which takes no `{argument}`, only {} ones do: \
                 leave it out, or declare the queue as one",
                kinds.join(" and ")
            ));
        }
    }
    let overflow = arguments.get("x-overflow").and_then(FieldValue::as_str);
    if kind == Kind::Quorum && overflow == Some("reject-publish-dlx") {
        faults.push(format!(
            "queue '{name}' is a quorum queue, which can't dead-letter what it refuses \
             (`reject-publish-dlx`) and would drop its oldest instead: take `reject-publish`"
        ));
    }
}

fn dead_letters(name: &str, arguments: &FieldTable, faults: &mut Vec<String>) {
    let has_exchange = arguments.contains("x-dead-letter-exchange");
    if arguments.contains("x-dead-letter-routing-key") && !has_exchange {
        faults.push(format!(
            "queue '{name}' has a routing key for its dead letters and no exchange to send them \
             to: add `x-dead-letter-exchange`, empty for the default exchange"
        ));
    }
    for (argument, what) in [
        ("x-dead-letter-exchange", "the exchange"),
        ("x-dead-letter-routing-key", "the routing key"),
    ] {
        let text = arguments.get(argument).and_then(FieldValue::as_str).unwrap_or_default();
        if text.len() > ShortString::MAX_BYTES {
            faults.push(format!(
                "queue '{name}': {what} of its dead letters has {} bytes, and AMQP allows {}: \
                 choose a shorter one",
                text.len(),
                ShortString::MAX_BYTES
            ));
        }
    }
}

/// A quorum queue keeps its dead letters until another queue has them. With a policy's exchange or
/// overflow it would be at most once for as long as there is no policy, and nobody would be told.
fn at_least_once(name: &str, arguments: &FieldTable, faults: &mut Vec<String>) {
    let text = |argument| arguments.get(argument).and_then(FieldValue::as_str);
    let is_quorum = Kind::of(arguments) == Some(Kind::Quorum);
    if !is_quorum || text("x-dead-letter-strategy") != Some("at-least-once") {
        return;
    }
    match text("x-overflow") {
        Some("drop-head") => faults.push(format!(
            "queue '{name}' can't drop its oldest message and send each dead letter at least once: \
             take `reject-publish` in place of `drop-head`"
        )),
        None => faults.push(format!(
            "queue '{name}' is to send each dead letter at least once, which it does only if it \
             refuses what it has no room for: add `x-overflow`, `reject-publish`"
        )),
        Some(_) => {}
    }
    let has_key = arguments.contains("x-dead-letter-routing-key");
    if !has_key && !arguments.contains("x-dead-letter-exchange") {
        faults.push(format!(
            "queue '{name}' is to send each dead letter at least once, and has no exchange to send \
             them to: add `x-dead-letter-exchange`, empty for the default exchange"
        ));
    }
}

fn delayed_retry(name: &str, arguments: &FieldTable, faults: &mut Vec<String>) {
    let number = |argument| arguments.get(argument).and_then(FieldValue::as_i64);
    let (min, max) = (number("x-delayed-retry-min"), number("x-delayed-retry-max"));
    let which = arguments.get("x-delayed-retry-type").and_then(FieldValue::as_str);
    match which {
        Some("all" | "failed" | "returned") if min.is_none() => faults.push(format!(
            "queue '{name}' has a delayed retry without a delay: add `x-delayed-retry-min`"
        )),
        None if min.is_some() || max.is_some() => faults.push(format!(
            "queue '{name}' has a delay for retries and does not say for which: add \
             `x-delayed-retry-type`, one of all, failed, returned"
        )),
        _ => {}
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        faults.push(format!(
            "queue '{name}' delays retries by {min} ms at least and {max} ms at most: swap them"
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::faults;
    use super::*;
    use crate::declare::{DeadLetterStrategy, DelayedRetry, Overflow, Queue};

    fn refused(queue: &Queue, words: &str) {
        let faults = faults(queue);
        assert!(faults.contains(words), "{faults}");
    }

    #[test]
    fn what_a_kind_can_not_be_is_a_fault() {
        for queue in [Queue::transient("q").quorum(), Queue::transient("q").stream()] {
            refused(&queue, "`Queue::durable(..)`");
        }
        refused(
            &Queue::durable("q").exclusive().quorum(),
            "quorum queue, which can't be exclusive",
        );
        let kept = Queue::durable("q").auto_delete().stream();
        refused(&kept, "'q' is a stream queue, which can't be auto-delete");
        let anonymous = Queue::anonymous().quorum();
        assert_eq!(contradictions("q", &anonymous.options()).len(), 3);
        // Told by the argument's name it is the same queue.
        let named = Queue::transient("q").argument("x-queue-type", "quorum");
        assert_eq!(faults(&named), faults(&Queue::transient("q").quorum()));
    }

    #[test]
    fn what_a_kind_does_not_take_is_a_fault() {
        let priority = Queue::durable("q").quorum().max_priority(5);
        refused(&priority, "takes no `x-max-priority`, only classic ones do");
        let limit = Queue::durable("q").delivery_limit(3);
        refused(&limit, "'q' is a classic queue, which takes no `x-delivery-limit`, only quorum");
        let stream = Queue::durable("q").stream().single_active_consumer().max_length(5);
        assert_eq!(contradictions("q", &stream.options()).len(), 2);
        refused(&stream, "only classic and quorum ones do");
        let overflow = Queue::durable("q").quorum().overflow(Overflow::RejectPublishDlx);
        refused(&overflow, "take `reject-publish`");
        // What a plugin's kind takes is its own matter.
        let other = Queue::durable("q").argument("x-queue-type", "other").delivery_limit(3);
        assert_eq!(faults(&other), "");
    }

    #[test]
    fn dead_letters_have_an_exchange() {
        let key = Queue::durable("q").dead_letter_routing_key("k");
        refused(&key, "no exchange to send them to");
        assert_eq!(faults(&key.dead_letter("")), "");
        let lossy = Queue::durable("q")
            .quorum()
            .dead_letter("dead")
            .overflow(Overflow::DropHead)
            .dead_letter_strategy(DeadLetterStrategy::AtLeastOnce);
        refused(&lossy, "take `reject-publish` in place of `drop-head`");
    }

    #[test]
    fn at_least_once_is_whole() {
        let queue = Queue::durable("q").dead_letter_strategy(DeadLetterStrategy::AtLeastOnce);
        let quorum = queue.clone().quorum();
        assert_eq!(contradictions("q", &quorum.options()).len(), 2);
        refused(&quorum.clone().dead_letter("dead"), "add `x-overflow`, `reject-publish`");
        let quorum = quorum.overflow(Overflow::RejectPublish);
        refused(&quorum, "no exchange to send them to: add `x-dead-letter-exchange`");
        assert_eq!(faults(&quorum.dead_letter("dead")), "");
        // Of a classic queue it is told that it takes no strategy, and no more.
        assert_eq!(contradictions("q", &queue.options()).len(), 1);
    }

    #[test]
    fn names_are_short_enough_for_amqp() {
        let (longest, longer) = ("x".repeat(255), "x".repeat(256));
        assert_eq!(faults(&Queue::durable("q").dead_letter(&longest)), "");
        refused(&Queue::durable("q").dead_letter(&longer), "has 256 bytes, and AMQP allows 255");
        refused(&Queue::durable("q").dead_letter_queue(&longer), "the routing key of its dead");
    }

    #[test]
    fn a_delayed_retry_is_whole() {
        let queue = Queue::durable("q").quorum();
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(2));
        let reversed = queue.clone().delayed_retry(DelayedRetry::All, long);
        refused(&reversed.delayed_retry_max(short), "2000 ms at least and 1000 ms at most");
        refused(&queue.clone().delayed_retry_max(long), "does not say for which");
        let without = queue.clone().argument("x-delayed-retry-type", "all");
        refused(&without, "without a delay");
        assert_eq!(faults(&queue.argument("x-delayed-retry-type", "disabled")), "");
    }
}
