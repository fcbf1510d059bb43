//! What a listener asks for where its handler fails: how often the handler is called with one
//! delivery, and which deliveries follow.
//!
//! `schedule` is pure. `in_memory` calls the handler again while the message waits in this
//! process.

mod in_memory;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use schedule::Calls;

use springhare_amqp::ShortString;

use super::circuit::CircuitPlan;
pub(crate) use super::pacing::{PAUSE_MAX, PAUSE_MIN};

use super::endpoint::{CircuitAttributes, ListenerAttributes, RetryAttributes};
use super::policy::OnErrors;

/// A message that has failed this often is redelivered no more; RabbitMQ's default for quorum
/// queues.
pub(crate) const DELIVERIES_MAX: u32 = 20;
/// How often a handler is called with one delivery by `retry(..)` that does not say it; Spring
/// Boot's default.
const CALLS_DEFAULT: u32 = 3;

/// What a listener's attribute says of failures.
#[derive(Debug, Clone)]
pub(crate) struct FailurePlan {
    /// The calls with one delivery.
    pub(crate) calls: Calls,
    /// What follows when these have failed.
    pub(crate) redeliveries: Redeliveries,
    /// How long the handler may take.
    pub(crate) timeout: Option<Duration>,
    /// Where a message goes that is given up.
    pub(crate) recoverer: Recoverer,
    pub(crate) manner: Manner,
    /// What is done about which errors.
    pub(crate) on_errors: OnErrors,
    /// When it is left alone for a while.
    pub(crate) circuit: Option<CircuitPlan>,
}

/// Which deliveries follow one that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Redeliveries {
    /// Paced ones, until this many have failed.
    Paced { limit: u32 },
    /// One after each of these.
    After(Arc<[Duration]>),
    /// One after the other, at once and without an end.
    Endless,
}

/// Whose ways hold where the listener says nothing of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Ours: failures are paced and counted, and nothing is lost.
    #[default]
    Springhare,
    /// Spring's, `profile = "spring"`: a failed message is requeued at once and without an end, one
    /// that can't be handled is rejected, and dropped if it was rejected here before.
    Spring,
}

/// Where a message goes that is given up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Recoverer {
    /// To its queue's dead-letter exchange, or else to `<queue>.error`.
    #[default]
    Default,
    /// To `<queue>.error`.
    Park,
    /// It is rejected: dead-lettered, or else dropped.
    Reject,
    /// Back to its queue, unless it can never be handled.
    Requeue,
    /// A copy goes to this exchange, under this key or its own.
    Republish { exchange: ShortString, routing_key: Option<ShortString> },
}

impl Redeliveries {
    /// No other one.
    pub(crate) fn none() -> Self {
        Self::After(Arc::default())
    }

    /// Whether messages wait at the broker.
    pub(crate) fn has_delays(&self) -> bool {
        matches!(self, Self::After(delays) if !delays.is_empty())
    }
}

/// What follows a delivery whose calls are not used up.
static PACED: Redeliveries = Redeliveries::Paced { limit: DELIVERIES_MAX };

impl FailurePlan {
    /// Which deliveries follow one whose handler has failed so often. Where it was to be called
    /// again, something else has failed: the consumer stops, or what the handler came to could not
    /// be sent. It has a chance left.
    pub(crate) fn redeliveries_after(&self, failed: u32) -> &Redeliveries {
        match &self.redeliveries {
            Redeliveries::After(_) if !self.calls.are_used_up_after(failed) => &PACED,
            redeliveries => redeliveries,
        }
    }

    pub(crate) fn of(
        attributes: &ListenerAttributes<'_>,
        recoverer: Recoverer,
        manner: Manner,
    ) -> Self {
        let (calls, redeliveries) = match (&attributes.retry, attributes.max_attempts, manner) {
            (Some(retry), _, _) => of_retry(retry),
            (None, None, Manner::Spring) => (Calls::ONE, Redeliveries::Endless),
            (None, limit, _) => {
                (Calls::ONE, Redeliveries::Paced { limit: limit.unwrap_or(DELIVERIES_MAX) })
            }
        };
        let circuit = attributes.circuit.map(|CircuitAttributes { failures, pause }| CircuitPlan {
            failures: failures.max(1),
            pause,
        });
        Self {
            calls,
            redeliveries,
            timeout: attributes.timeout,
            recoverer,
            manner,
            on_errors: OnErrors::default(),
            circuit,
        }
    }
}

/// With delays alone there is one call a delivery; else the delays, if any, follow the calls.
fn of_retry(retry: &RetryAttributes<'_>) -> (Calls, Redeliveries) {
    let in_memory = retry.max_attempts.is_some() || retry.backoff.is_some();
    let calls = if in_memory || retry.delays.is_empty() {
        Calls::new(retry.max_attempts.unwrap_or(CALLS_DEFAULT), retry.backoff, retry.jitter)
    } else {
        Calls::ONE
    };
    let redeliveries = match retry.delays {
        [] => Redeliveries::none(),
        delays => Redeliveries::After(Arc::from(delays)),
    };
    (calls, redeliveries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: RetryAttributes<'_> =
        RetryAttributes { max_attempts: None, backoff: None, jitter: None, delays: &[] };

    fn plan(retry: Option<RetryAttributes<'_>>, max_attempts: Option<u32>) -> FailurePlan {
        let default = ListenerAttributes::DEFAULT;
        let attributes = ListenerAttributes { retry, max_attempts, ..default };
        FailurePlan::of(&attributes, Recoverer::Default, Manner::Springhare)
    }

    #[test]
    fn without_a_word_there_are_twenty_paced_deliveries_of_one_call() {
        let default = plan(None, None);
        assert_eq!(default.calls, Calls::ONE);
        assert_eq!(default.redeliveries, Redeliveries::Paced { limit: 20 });
        assert_eq!(plan(None, Some(7)).redeliveries, Redeliveries::Paced { limit: 7 });
    }

    #[test]
    fn retries_in_memory_take_the_place_of_redeliveries() {
        let retry = RetryAttributes { max_attempts: Some(5), ..NOTHING };
        let plan = plan(Some(retry), None);
        assert_eq!(plan.calls.max(), 5);
        assert_eq!(plan.redeliveries, Redeliveries::none());
    }

    #[test]
    fn what_fails_before_its_calls_are_used_up_is_delivered_again() {
        let plan = plan(Some(RetryAttributes { max_attempts: Some(2), ..NOTHING }), None);
        assert_eq!(plan.redeliveries_after(2), &Redeliveries::none());
        for failed in 0..2 {
            assert_eq!(plan.redeliveries_after(failed), &Redeliveries::Paced { limit: 20 });
        }
        let counted = self::plan(None, Some(7));
        assert_eq!(counted.redeliveries_after(0), &Redeliveries::Paced { limit: 7 });
    }

    #[test]
    fn delays_alone_are_one_call_each_and_follow_the_calls_where_there_are_several() {
        const DELAYS: &[Duration] = &[Duration::from_secs(5)];
        let delays = RetryAttributes { delays: DELAYS, ..NOTHING };
        assert_eq!(plan(Some(delays), None).calls, Calls::ONE);
        let both = plan(Some(RetryAttributes { max_attempts: Some(2), ..delays }), None);
        assert_eq!(both.calls.max(), 2);
        assert_eq!(both.redeliveries, Redeliveries::After(Arc::from(DELAYS)));
        let backoff = Some((Duration::from_secs(1), Duration::from_secs(2)));
        assert_eq!(plan(Some(RetryAttributes { backoff, ..delays }), None).calls.max(), 3);
    }
}
