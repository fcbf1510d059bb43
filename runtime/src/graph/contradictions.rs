//! What a listener says that can't be meant, or not together: what the macro asks of an attribute,
//! asked of every listener, since one that is made while the program runs has no macro.
//!
//! What settings may contradict, too, is found where these are read ([`failing`](super::failing),
//! [`acknowledging`](super::acknowledging)).

use std::time::Duration;

use super::resolve::is_anonymous;
use super::source::ListenerSource;
use crate::listener::endpoint::{AcknowledgeMode, ListenerAttributes, PartitionBy};
use crate::settings::ListenerSettings;

/// How many delays a listener may ask for: each is a queue of its own on RabbitMQ.
const DELAYS_MAX: usize = 32;
/// The longest time that a listener may ask for: a day.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A rule, and what is wrong where it is so.
type Rule = (bool, &'static str);

/// Everything that is wrong with what this listener says itself.
pub(super) fn contradictions(source: &ListenerSource<'_>) -> Vec<String> {
    let ListenerSource { attributes, settings, .. } = source;
    let rules = [
        &times(attributes)[..],
        &retry(attributes),
        &beside_retry(attributes, settings),
        &partitions(attributes, settings),
        &batch(attributes),
        &consumers(attributes, settings),
    ];
    let broken = rules.concat().into_iter().filter(|(is_so, _)| *is_so);
    broken.map(|(_, text)| text.to_owned()).collect()
}

/// Of zero settings mean something, and a listener itself does not.
fn times(attributes: &ListenerAttributes<'_>) -> [Rule; 4] {
    let ListenerAttributes { timeout, circuit, .. } = attributes;
    let delays = attributes.retry.map_or(&[][..], |retry| retry.delays);
    let pause = circuit.map(|circuit| circuit.pause);
    let mut all = delays.iter().copied().chain(*timeout).chain(pause);
    [
        (
            *timeout == Some(Duration::ZERO),
            "`timeout` is 0, and nothing is done in no time: leave it out for no bound",
        ),
        (
            circuit.is_some_and(|circuit| circuit.failures == 0),
            "`circuit` opens after at least one failure",
        ),
        (
            delays.contains(&Duration::ZERO),
            "`retry` has a delay of nothing, which is none: give it a time, or leave it out",
        ),
        (
            all.any(|time| time > TIME_MAX),
            "`timeout`, the pause of `circuit` and the delays of `retry` are a day at the most",
        ),
    ]
}

fn retry(attributes: &ListenerAttributes<'_>) -> Vec<Rule> {
    let Some(retry) = &attributes.retry else { return Vec::new() };
    let has_calls = retry.max_attempts.is_some() || retry.backoff.is_some();
    let has_delays = !retry.delays.is_empty();
    vec![
        (
            !has_calls && !has_delays && retry.jitter.is_none(),
            "`retry` says nothing: give it `max_attempts`, a `backoff` or `delays`",
        ),
        (
            retry.jitter.is_some_and(|part| !(0.0..=1.0).contains(&part)),
            "`jitter` is a part of a pause, 0 to 1",
        ),
        (
            retry.jitter.is_some() && has_delays && !has_calls,
            "`jitter` changes the pauses between calls in memory, and here are none: remove it, or \
             add `max_attempts`",
        ),
        (
            retry.delays.len() > DELAYS_MAX,
            "`retry` has more than 32 delays, and on RabbitMQ each is a queue of its own",
        ),
        (
            has_delays && is_anonymous(attributes),
            "a delayed message comes back by its queue's name, and an anonymous queue has another \
             one on each connection: name it, or retry in memory, with `max_attempts`",
        ),
    ]
}

fn beside_retry(attributes: &ListenerAttributes<'_>, settings: &ListenerSettings) -> [Rule; 3] {
    let refuses = settings.default_requeue_rejected == Some(false);
    let ListenerAttributes { retry, max_attempts, .. } = attributes;
    [
        (
            retry.is_some() && max_attempts.is_some(),
            "`max_attempts` stands beside `retry`, which says when to give up: keep one of them, \
             inside it counts calls in memory, beside it deliveries",
        ),
        (
            retry.is_some_and(|retry| !retry.delays.is_empty()) && refuses,
            "`requeue_rejected = false` refuses what `retry` with `delays` asks for, another delivery: \
             remove one of them, or retry in memory, with `max_attempts`",
        ),
        (
            max_attempts.is_some() && refuses,
            "`requeue_rejected = false` gives a message up at its first failure, and \
             `max_attempts` later: remove one of them",
        ),
    ]
}

/// Handlers that keep the order of keys are as many as the number says, and take one message each.
fn partitions(attributes: &ListenerAttributes<'_>, settings: &ListenerSettings) -> Vec<Rule> {
    let Some(by) = &attributes.partition_by else { return Vec::new() };
    let longest = ListenerSettings::RETRY_INTERVAL_MAX;
    let mut delays = attributes.retry.map_or(&[][..], |retry| retry.delays).iter();
    vec![
        (matches!(by, PartitionBy::Header("")), "`partition_by` names no header"),
        (
            attributes.circuit.is_some(),
            "`circuit` looks at one message after the other, and `partition_by` handles several: \
             keep one of them",
        ),
        (
            delays.any(|delay| *delay > longest),
            "with `partition_by` a message waits at its consumer, 15 minutes at the most: shorten \
             the delays, or remove `partition_by`",
        ),
        (
            attributes.batch.is_some(),
            "a batch mixes keys, `partition_by` keeps them apart: keep one of them",
        ),
        (
            settings.concurrency.is_some_and(|consumers| consumers.min != consumers.max),
            "`partition_by` keeps its handlers: `concurrency` is a number",
        ),
    ]
}

/// What looks at one message does not go with many.
fn batch(attributes: &ListenerAttributes<'_>) -> Vec<Rule> {
    let Some(size) = attributes.batch else { return Vec::new() };
    let retry = attributes.retry;
    let calls_again =
        retry.is_some_and(|retry| retry.max_attempts.is_some() || retry.backoff.is_some());
    vec![
        (size == 0, "a batch has at least one message"),
        (
            attributes.circuit.is_some(),
            "`circuit` counts single messages, and a batch has many: remove one of them",
        ),
        (
            calls_again,
            "a batch is not called again in memory, those of its messages that have succeeded would \
             be handled twice: remove `max_attempts` and `backoff` of its `retry`; failed messages \
             are delivered again each by itself",
        ),
    ]
}

fn consumers(attributes: &ListenerAttributes<'_>, settings: &ListenerSettings) -> [Rule; 2] {
    let are_several = settings.concurrency.is_some_and(|consumers| consumers.max > 1);
    [
        (
            attributes.exclusive == Some(true) && are_several,
            "an exclusive listener is the only consumer of its queue: `concurrency` must be 1",
        ),
        (
            settings.acknowledge_mode == Some(AcknowledgeMode::None) && settings.prefetch.is_some(),
            "the broker ignores `prefetch` where nothing is acknowledged: remove it, or acknowledge",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::endpoint::{CircuitAttributes, Concurrency, RetryAttributes};
    use crate::listener::function::{Function, SharedHandler};

    const SECOND: Duration = Duration::from_secs(1);
    const NOTHING: RetryAttributes<'_> =
        RetryAttributes { max_attempts: None, backoff: None, jitter: None, delays: &[] };
    const ORDERS: ListenerAttributes<'_> =
        ListenerAttributes { queues: &["orders"], ..ListenerAttributes::DEFAULT };
    const DELAYED: RetryAttributes<'_> = RetryAttributes { delays: &[SECOND], ..NOTHING };
    const CIRCUIT: CircuitAttributes = CircuitAttributes { failures: 3, pause: SECOND };

    fn found(attributes: ListenerAttributes<'_>) -> Vec<String> {
        found_with(attributes, ListenerSettings::of(&attributes))
    }

    fn found_with(attributes: ListenerAttributes<'_>, settings: ListenerSettings) -> Vec<String> {
        let place = crate::Place { file: "here.rs", line: 1 };
        let handler = SharedHandler::one(|_| unreachable!("it is not called"));
        let function = Function::handed_over(handler, |_| {}, place);
        let (id, unchecked) = ("orders".into(), Vec::new());
        contradictions(&ListenerSource { id, function, attributes, settings, unchecked })
    }

    #[track_caller]
    fn assert_one(attributes: ListenerAttributes<'_>, words: &str) {
        let found = found(attributes);
        assert!(found.len() == 1 && found[0].contains(words), "{found:?} instead of {words}");
    }

    fn retry(retry: RetryAttributes<'_>) -> ListenerAttributes<'_> {
        ListenerAttributes { retry: Some(retry), ..ORDERS }
    }

    #[test]
    fn what_goes_together_is_no_contradiction() {
        let calls = RetryAttributes {
            max_attempts: Some(5),
            backoff: Some((SECOND, 2 * SECOND)),
            jitter: Some(0.2),
            ..DELAYED
        };
        let all = ListenerAttributes {
            timeout: Some(TIME_MAX),
            circuit: Some(CIRCUIT),
            concurrency: Some(Concurrency { min: 1, max: 4 }),
            ..retry(calls)
        };
        let partitioned = ListenerAttributes {
            partition_by: Some(PartitionBy::RoutingKey),
            concurrency: Some(Concurrency { min: 4, max: 4 }),
            ..retry(calls)
        };
        let batch = ListenerAttributes { batch: Some(5), ..retry(DELAYED) };
        for attributes in [ListenerAttributes::DEFAULT, ORDERS, all, partitioned, batch] {
            assert_eq!(found(attributes), [""; 0]);
        }
    }

    #[test]
    fn a_retry_that_says_nothing_or_what_can_not_be_is_told() {
        assert_one(retry(NOTHING), "says nothing");
        let calls = RetryAttributes { max_attempts: Some(2), ..NOTHING };
        for jitter in [1.5, -0.1, f64::NAN] {
            assert_one(retry(RetryAttributes { jitter: Some(jitter), ..calls }), "0 to 1");
        }
        let jitter = Some(0.5);
        assert_one(retry(RetryAttributes { jitter, ..DELAYED }), "here are none");
        let zero = [SECOND, Duration::ZERO];
        assert_one(retry(RetryAttributes { delays: &zero, ..NOTHING }), "a delay of nothing");
        let (many, long) = ([SECOND; DELAYS_MAX + 1], [TIME_MAX + SECOND]);
        assert_one(retry(RetryAttributes { delays: &many, ..NOTHING }), "32 delays");
        assert_one(retry(RetryAttributes { delays: &long, ..NOTHING }), "a day at the most");
        let anonymous = ListenerAttributes { queues: &[], ..retry(DELAYED) };
        assert_one(anonymous, "an anonymous queue");
        let both = ListenerAttributes { max_attempts: Some(3), ..retry(calls) };
        assert_one(both, "stands beside `retry`");
        let refuses = Some(false);
        let refused = ListenerAttributes { requeue_rejected: refuses, ..retry(DELAYED) };
        assert_one(refused, "refuses what `retry` with `delays` asks for");
        let counted = ListenerAttributes { max_attempts: Some(3), ..ORDERS };
        let refused = ListenerAttributes { requeue_rejected: refuses, ..counted };
        assert_one(refused, "at its first failure");
    }

    #[test]
    fn a_time_or_a_number_of_nothing_is_told() {
        assert_one(ListenerAttributes { timeout: Some(Duration::ZERO), ..ORDERS }, "in no time");
        let long = Some(TIME_MAX + SECOND);
        assert_one(ListenerAttributes { timeout: long, ..ORDERS }, "a day at the most");
        let circuit = Some(CircuitAttributes { failures: 0, pause: SECOND });
        assert_one(ListenerAttributes { circuit, ..ORDERS }, "at least one failure");
        assert_one(ListenerAttributes { batch: Some(0), ..ORDERS }, "at least one message");
    }

    #[test]
    fn what_looks_at_one_message_or_keeps_its_order_excludes_others() {
        let by = |by| ListenerAttributes { partition_by: Some(by), ..ORDERS };
        assert_one(by(PartitionBy::Header("")), "no header");
        let by_key = by(PartitionBy::RoutingKey);
        let circuit = Some(CIRCUIT);
        assert_one(ListenerAttributes { circuit, ..by_key }, "handles several");
        let long = [ListenerSettings::RETRY_INTERVAL_MAX + SECOND];
        let long = Some(RetryAttributes { delays: &long, ..NOTHING });
        assert_one(ListenerAttributes { retry: long, ..by_key }, "15 minutes");
        assert_one(ListenerAttributes { batch: Some(5), ..by_key }, "mixes keys");
        let range = Some(Concurrency { min: 1, max: 4 });
        assert_one(ListenerAttributes { concurrency: range, ..by_key }, "is a number");
        let batch = ListenerAttributes { batch: Some(5), ..ORDERS };
        assert_one(ListenerAttributes { circuit, ..batch }, "counts single messages");
        let calls = Some(RetryAttributes { max_attempts: Some(2), ..NOTHING });
        assert_one(ListenerAttributes { retry: calls, ..batch }, "is not called again in memory");
        let exclusive = ListenerAttributes { exclusive: Some(true), ..ORDERS };
        assert_one(ListenerAttributes { concurrency: range, ..exclusive }, "must be 1");
        let forgets = ListenerSettings::default().acknowledge_mode(AcknowledgeMode::None);
        let found = found_with(ORDERS, forgets.prefetch(5));
        assert!(found.concat().contains("ignores `prefetch`"), "{found:?}");
    }
}
