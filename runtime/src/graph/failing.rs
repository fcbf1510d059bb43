//! What a listener does where its handler fails: what its attribute says, and what settings make of
//! it.

use std::time::Duration;

use crate::listener::endpoint::{
    AcknowledgeMode, CircuitAttributes, ListenerAttributes, RetryAttributes,
};
use crate::listener::retry::{Calls, FailurePlan, Manner, PAUSE_MAX, PAUSE_MIN, Recoverer};
use crate::settings::{ListenerSettings, SPRING};

/// The attribute as the settings have it, which know what it says itself. What a setting for many
/// listeners asks of one that can't do it is passed over.
pub(super) fn failing<'a>(
    settings: &ListenerSettings,
    attributes: &ListenerAttributes<'a>,
) -> ListenerAttributes<'a> {
    let forgets = settings.acknowledge_mode == Some(AcknowledgeMode::None);
    // Nothing is delivered again that was acknowledged before.
    let is_settled = forgets || settings.acknowledge_mode == Some(AcknowledgeMode::First);
    let max_attempts = if is_settled { attributes.max_attempts } else { settings.max_attempts };
    ListenerAttributes {
        retry: retry(settings, attributes, forgets),
        max_attempts,
        // A thread can't be stopped: it would go on beside the message's next delivery.
        timeout: settings.timeout.filter(|timeout| !timeout.is_zero() && !attributes.blocking),
        circuit: circuit(settings, attributes, forgets),
        ..*attributes
    }
}

/// What the listener does where its handler fails.
pub(super) fn failure_plan(
    settings: &ListenerSettings,
    attributes: &ListenerAttributes<'_>,
    recoverer: Recoverer,
) -> FailurePlan {
    // Whose ways hold where the listener says nothing of its own.
    let manner = match settings.profile.as_deref() {
        Some(SPRING) => Manner::Spring,
        _ => Manner::Springhare,
    };
    let mut plan = FailurePlan::of(&failing(settings, attributes), recoverer, manner);
    if let Some(multiplier) = settings.retry_multiplier {
        plan.calls = plan.calls.growing_by(multiplier);
    }
    plan
}

/// Whether a failed message is tried again. A listener that says itself how it does so is not meant by a
/// setting for all, and one that calls again does that first, as in Spring.
pub(super) fn requeues_rejected(
    settings: &ListenerSettings,
    attributes: &ListenerAttributes<'_>,
) -> bool {
    let retries = failing(settings, attributes).retry.is_some();
    // The attribute holds before a setting that has it call again.
    let rejects_at_once = attributes.requeue_rejected == Some(false) && attributes.retry.is_none();
    settings.default_requeue_rejected.unwrap_or(true)
        || (retries && !rejects_at_once)
        || attributes.max_attempts.is_some()
}

fn retry<'a>(
    settings: &ListenerSettings,
    attributes: &ListenerAttributes<'a>,
    forgets: bool,
) -> Option<RetryAttributes<'a>> {
    if settings.retry_enabled != Some(true) {
        // What waits at the broker is delivered again, and not called again.
        let delayed = attributes.retry.filter(|retry| !retry.delays.is_empty());
        return delayed.map(|RetryAttributes { delays, .. }| RetryAttributes {
            max_attempts: Some(1),
            backoff: None,
            jitter: None,
            delays,
        });
    }
    // A batch is not called again: those of its messages that have succeeded would be handled twice.
    if forgets || attributes.batch.is_some() {
        return attributes.retry;
    }
    let retries = settings.retry_max_retries.map(|retries| retries.saturating_add(1));
    let pauses = (settings.retry_initial_interval, settings.retry_max_interval);
    Some(RetryAttributes {
        max_attempts: settings.retry_max_attempts.or(retries),
        backoff: match pauses {
            (None, None) => None,
            (first, longest) => Some(backoff(first, longest)),
        },
        jitter: attributes.retry.and_then(|retry| retry.jitter),
        delays: attributes.retry.map_or(&[], |retry| retry.delays),
    })
}

/// The first pause and the longest; of one of them alone, the other is such that it fits.
fn backoff(first: Option<Duration>, longest: Option<Duration>) -> (Duration, Duration) {
    match (first, longest) {
        (Some(first), None) => (first, first.max(PAUSE_MAX)),
        (None, Some(longest)) => (longest.min(PAUSE_MIN), longest),
        (first, longest) => (first.unwrap_or(PAUSE_MIN), longest.unwrap_or(PAUSE_MAX)),
    }
}

fn circuit(
    settings: &ListenerSettings,
    attributes: &ListenerAttributes<'_>,
    forgets: bool,
) -> Option<CircuitAttributes> {
    let failures = settings.circuit_failures.filter(|failures| *failures > 0)?;
    // It looks at one message after the other.
    let can = !forgets && attributes.batch.is_none() && attributes.partition_by.is_none();
    let pause = settings.circuit_pause.filter(|_| can || attributes.circuit.is_some())?;
    Some(CircuitAttributes { failures, pause })
}

/// What is wrong with what the settings say of failures.
pub(super) fn wrong_failures(settings: &ListenerSettings) -> Vec<String> {
    let longest = ListenerSettings::RETRY_INTERVAL_MAX;
    let (first, last) = backoff(settings.retry_initial_interval, settings.retry_max_interval);
    let is_one_too_long = [first, last].into_iter().any(|pause| pause > longest);
    let is_over_one = settings.retry_multiplier.is_none_or(|multiplier| multiplier >= 1.0);
    let opens = settings.circuit_failures.is_some_and(|failures| failures > 0);
    let rules = [
        (
            settings.max_attempts == Some(0),
            "`max-attempts` is 0, and the first delivery counts: give it 1 or more".to_owned(),
        ),
        (
            settings.retry_max_attempts == Some(0),
            "`retry.max-attempts` is 0, and the first call counts: give it 1 or more".to_owned(),
        ),
        (
            settings.retry_max_attempts.is_some() && settings.retry_max_retries.is_some(),
            "`retry.max-attempts` and `retry.max-retries` say the same, the one with the first call \
             and the other without: keep one of them"
                .to_owned(),
        ),
        (
            first > last,
            format!(
                "`retry.initial-interval` is {first:?}, and `retry.max-interval` {last:?}, which is \
                 less: raise the one or lower the other"
            ),
        ),
        (
            is_one_too_long,
            format!(
                "`retry.initial-interval` and `retry.max-interval` are {longest:?} at most, since \
                 RabbitMQ takes a message back that waits for long; for longer pauses the attribute \
                 has `retry(delays = [..])`"
            ),
        ),
        (
            !is_over_one,
            "`retry.multiplier` is less than 1, and pauses don't shrink: give it 1 or more"
                .to_owned(),
        ),
        (
            opens && settings.circuit_pause.is_none_or(|pause| pause.is_zero()),
            "`circuit.failures` says when the listener is left alone, and nothing for how long: add \
             `circuit.pause`"
                .to_owned(),
        ),
    ];
    rules.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect()
}

/// What is wrong with calls between which a message is held for longer than its broker allows, which with
/// `partition_by` it is during its delays, too.
pub(super) fn held_too_long(
    calls: Calls,
    attributes: &ListenerAttributes<'_>,
    consumer_timeout: Option<Duration>,
) -> Option<String> {
    let timeout = consumer_timeout?;
    let delays = match (attributes.partition_by, attributes.retry) {
        (Some(_), Some(retry)) => retry.delays,
        _ => &[],
    };
    let deliveries = u32::try_from(delays.len()).unwrap_or(u32::MAX).saturating_add(1);
    let held = delays.iter().fold(calls.pauses_max().saturating_mul(deliveries), |held, delay| {
        held.saturating_add(*delay)
    });
    (held >= timeout).then(|| {
        format!(
            "the pauses between its calls in memory come to {held:?} together, and the broker takes a \
             message back that is held for {timeout:?} (RabbitMQ's `consumer_timeout`): lower \
             `retry.max-attempts` or `retry.max-interval`, have it wait at the broker with \
             `retry(delays = [..])` and without `partition_by`, or, if the broker allows more, say so \
             as `consumer-timeout`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::endpoint::PartitionBy;

    const SECOND: Duration = Duration::from_secs(1);

    fn with(
        attributes: ListenerAttributes<'_>,
        set: impl FnOnce(ListenerSettings) -> ListenerSettings,
    ) -> ListenerAttributes<'_> {
        let settings = ListenerSettings::of(&attributes).beneath(set(ListenerSettings::default()));
        assert_eq!(wrong_failures(&settings), [""; 0]);
        failing(&settings, &attributes)
    }

    fn defaults(
        set: impl FnOnce(ListenerSettings) -> ListenerSettings,
        attributes: ListenerAttributes<'_>,
    ) -> ListenerAttributes<'_> {
        let settings = set(ListenerSettings::default()).beneath(ListenerSettings::of(&attributes));
        failing(&settings, &attributes)
    }

    const NOTHING: RetryAttributes<'_> =
        RetryAttributes { max_attempts: None, backoff: None, jitter: None, delays: &[] };

    #[test]
    fn a_message_is_held_during_its_delays_where_its_key_waits_for_it() {
        let hour = 3600 * SECOND;
        let delayed = ListenerAttributes {
            retry: Some(RetryAttributes { delays: &[SECOND, SECOND], ..NOTHING }),
            ..ListenerAttributes::DEFAULT
        };
        let parted = ListenerAttributes { partition_by: Some(PartitionBy::RoutingKey), ..delayed };
        let calls = Calls::new(2, Some((SECOND, SECOND)), None);
        // A pause in each of three deliveries, and two delays.
        let text = held_too_long(calls, &parted, Some(5 * SECOND)).unwrap();
        assert!(text.contains("come to 5s together"), "{text}");
        assert_eq!(held_too_long(calls, &parted, Some(hour)), None);
        assert_eq!(held_too_long(calls, &delayed, Some(5 * SECOND)), None);
        assert_eq!(held_too_long(calls, &parted, None), None);
    }

    #[test]
    fn without_settings_it_is_what_the_attribute_says() {
        let some = ListenerAttributes {
            retry: Some(RetryAttributes {
                max_attempts: Some(5),
                backoff: Some((SECOND, 3 * SECOND)),
                jitter: Some(0.5),
                delays: &[SECOND],
            }),
            timeout: Some(SECOND),
            circuit: Some(CircuitAttributes { failures: 3, pause: SECOND }),
            ..ListenerAttributes::DEFAULT
        };
        for attributes in [ListenerAttributes::DEFAULT, some] {
            assert_eq!(with(attributes, |none| none), attributes);
        }
    }

    #[test]
    fn settings_turn_retries_on_and_off_and_change_a_part_of_them() {
        let on = with(ListenerAttributes::DEFAULT, |l| l.retry_enabled(true).retry_max_retries(4));
        assert_eq!(on.retry, Some(RetryAttributes { max_attempts: Some(5), ..NOTHING }));
        let not_on = with(ListenerAttributes::DEFAULT, |l| l.retry_max_attempts(4));
        assert_eq!(not_on.retry, None, "as Spring Boot has it");
        let own = RetryAttributes { max_attempts: Some(5), delays: &[SECOND], ..NOTHING };
        let own = ListenerAttributes { retry: Some(own), ..ListenerAttributes::DEFAULT };
        let only_delays = RetryAttributes { max_attempts: Some(1), delays: &[SECOND], ..NOTHING };
        assert_eq!(with(own, |l| l.retry_enabled(false)).retry, Some(only_delays));
        let calls = RetryAttributes { max_attempts: Some(5), ..NOTHING };
        let calls = ListenerAttributes { retry: Some(calls), ..ListenerAttributes::DEFAULT };
        assert_eq!(with(calls, |l| l.retry_enabled(false)).retry, None);
        let changed = with(own, |l| l.retry_max_interval(9 * SECOND)).retry.unwrap();
        assert_eq!(changed.backoff, Some((PAUSE_MIN, 9 * SECOND)));
        assert_eq!((changed.max_attempts, changed.delays), (Some(5), &[SECOND][..]));
    }

    #[test]
    fn a_default_of_many_asks_nothing_of_a_listener_that_can_not_do_it() {
        let all = |all: ListenerSettings| {
            let all = all.retry_enabled(true).retry_max_attempts(5).max_attempts(7);
            all.circuit_failures(3).circuit_pause(SECOND)
        };
        let batch = ListenerAttributes { batch: Some(9), ..ListenerAttributes::DEFAULT };
        let found = defaults(all, batch);
        assert_eq!((found.retry, found.circuit), (None, None));
        let ack = Some(AcknowledgeMode::None);
        let found = defaults(all, ListenerAttributes { ack, ..ListenerAttributes::DEFAULT });
        assert_eq!((found.retry, found.max_attempts, found.circuit), (None, None, None));
        let ack = Some(AcknowledgeMode::First);
        let found = defaults(all, ListenerAttributes { ack, ..ListenerAttributes::DEFAULT });
        assert_eq!((found.retry.unwrap().max_attempts, found.max_attempts), (Some(5), None));
        // Delays alone say that there is one call with each delivery.
        let delays = RetryAttributes { delays: &[SECOND], ..NOTHING };
        let delays = ListenerAttributes { retry: Some(delays), ..ListenerAttributes::DEFAULT };
        assert_eq!(defaults(all, delays).retry.unwrap().max_attempts, Some(1));
        assert!(defaults(all, ListenerAttributes::DEFAULT).circuit.is_some());
    }

    #[test]
    fn who_is_called_again_is_not_rejected_before() {
        let of = |attributes: ListenerAttributes<'_>, retries| {
            let settings = ListenerSettings::default().default_requeue_rejected(false);
            let settings = settings.beneath(ListenerSettings::of(&attributes));
            let settings = if retries { settings.retry_enabled(true) } else { settings };
            requeues_rejected(&settings, &attributes)
        };
        let default = ListenerAttributes::DEFAULT;
        assert!(!of(default, false) && of(default, true));
        let rejects = ListenerAttributes { requeue_rejected: Some(false), ..default };
        assert!(!of(rejects, true), "what the attribute says itself holds");
        let calls = Some(RetryAttributes { max_attempts: Some(3), ..NOTHING });
        let rejects_then = ListenerAttributes { retry: calls, ..rejects };
        assert!(of(rejects_then, true), "and so it does where it says that it calls again first");
        let paced = ListenerAttributes { max_attempts: Some(7), ..default };
        assert!(of(paced, false));
    }

    #[test]
    fn a_thread_that_cannot_be_stopped_has_no_timeout() {
        let blocking = ListenerAttributes { blocking: true, ..ListenerAttributes::DEFAULT };
        assert_eq!(defaults(|all| all.timeout(SECOND), blocking).timeout, None);
        let on_the_executor = defaults(|all| all.timeout(SECOND), ListenerAttributes::DEFAULT);
        assert_eq!(on_the_executor.timeout, Some(SECOND));
    }

    #[test]
    fn what_settings_can_not_mean_is_told() {
        let wrong = |set: fn(ListenerSettings) -> ListenerSettings| {
            wrong_failures(&set(ListenerSettings::default())).concat()
        };
        for (text, words) in [
            (wrong(|l| l.max_attempts(0)), "`max-attempts` is 0"),
            (wrong(|l| l.retry_max_attempts(0)), "`retry.max-attempts` is 0"),
            (wrong(|l| l.retry_max_attempts(3).retry_max_retries(2)), "keep one of them"),
            (wrong(|l| l.retry_initial_interval(9 * SECOND).retry_max_interval(SECOND)), "less"),
            (wrong(|l| l.retry_max_interval(901 * SECOND)), "900s at most"),
            (wrong(|l| l.retry_multiplier(0.5)), "give it 1 or more"),
            (wrong(|l| l.circuit_failures(3)), "add `circuit.pause`"),
        ] {
            assert!(text.contains(words), "{text}");
        }
        assert_eq!(wrong(|l| l.circuit_failures(0).retry_initial_interval(9 * SECOND)), "");
    }
}
