//! What a listener asks for where its handler fails: how often the handler is called with one
//! delivery, and which deliveries follow.
//!
//! `schedule` is pure. `in_memory` calls the handler again while the message waits in this
//! process.

mod in_memory;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

pub(super) use in_memory::Rest;
pub(crate) use schedule::Calls;

use super::endpoint::{ListenerAttributes, RetryAttributes};

/// A message that has failed this often is redelivered no more; RabbitMQ's default for quorum
/// queues.
pub(crate) const DELIVERIES_MAX: u32 = 20;
/// How often a handler is called with one delivery by `retry(..)` that does not say it; Spring
/// Boot's default.
const CALLS_DEFAULT: u32 = 3;

/// What a listener's attribute says of failures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FailurePlan {
    /// The calls with one delivery.
    pub(crate) calls: Calls,
    /// What follows when these have failed.
    pub(crate) redeliveries: Redeliveries,
    /// How long the handler may take.
    pub(crate) timeout: Option<Duration>,
}

/// Which deliveries follow one that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Redeliveries {
    /// Paced ones, until this many have failed.
    Paced { limit: u32 },
    /// One after each of these.
    After(Arc<[Duration]>),
}

impl Redeliveries {
    /// No other one.
    pub(crate) fn none() -> Self {
        Self::After(Arc::default())
    }
}

impl FailurePlan {
    pub(crate) fn of(attributes: &ListenerAttributes) -> Self {
        let limit = attributes.max_attempts.unwrap_or(DELIVERIES_MAX);
        let (calls, redeliveries) = match &attributes.retry {
            None => (Calls::ONE, Redeliveries::Paced { limit }),
            Some(retry) => of_retry(retry),
        };
        Self { calls, redeliveries, timeout: attributes.timeout }
    }
}

/// With delays alone there is one call a delivery; else the delays, if any, follow the calls.
fn of_retry(retry: &RetryAttributes) -> (Calls, Redeliveries) {
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

    const NOTHING: RetryAttributes =
        RetryAttributes { max_attempts: None, backoff: None, jitter: None, delays: &[] };

    fn plan(retry: Option<RetryAttributes>, max_attempts: Option<u32>) -> FailurePlan {
        let default = ListenerAttributes::DEFAULT;
        FailurePlan::of(&ListenerAttributes { retry, max_attempts, ..default })
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
