//! Which messages are called again, while those of their key wait.

use std::time::Duration;

use super::Held;
use crate::backoff::random;
use crate::listener::endpoint::AcknowledgeMode;
use crate::listener::failure::Decision;
use crate::listener::outcome::{ListenerError, Outcome};
use crate::listener::pacing::Redelivery;

/// Why a message is called again.
pub(super) fn failure_of(outcome: &Outcome) -> ListenerError {
    match outcome {
        Outcome::Failed(error) => error.share(),
        _ => ListenerError::msg("its handler asked for it again"),
    }
}

/// How a call that failed is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// As one of those with the same delivery.
    AsCall,
    /// As a delivery would be, which it takes the place of.
    AsDelivery,
}

/// Whether a message is called again that failed or was asked for later, and after which pause.
pub(super) fn again(held: &Held, outcome: &Outcome) -> Option<(Duration, Counts)> {
    let plan = &held.handling.plan;
    if plan.acknowledge == AcknowledgeMode::None {
        return None;
    }
    let failures = held.context.failures();
    // None where the handler has done its part, and what it came to could not be sent.
    let failed_calls = held.context.failed_calls();
    let decision = match outcome {
        Outcome::Failed(error) => Decision::on(error, plan),
        Outcome::RetryAfter(pause) => Decision::RedeliverAfter(*pause),
        Outcome::Ack | Outcome::Reply(_) | Outcome::Reject | Outcome::Requeue => return None,
    };
    let next = match decision {
        Decision::Redeliver if plan.failure.calls.are_several() && failed_calls > 0 => {
            let pause = plan.failure.calls.pause_after(failed_calls, random())?;
            return Some((pause, Counts::AsCall));
        }
        // It is acknowledged, and is called again in memory or not at all.
        _ if plan.acknowledge == AcknowledgeMode::First => return None,
        Decision::Redeliver => failures.redelivery(plan.failure.redeliveries_after(failed_calls)),
        Decision::RedeliverAfter(pause) => {
            failures.redelivery_after(pause, &plan.failure.redeliveries)
        }
        Decision::GiveUp
        | Decision::Park
        | Decision::Acknowledge
        | Decision::Reject
        | Decision::Requeue => {
            return None;
        }
    };
    match next {
        Redelivery::RequeueAfter(pause)
        | Redelivery::RepublishAfter(pause)
        | Redelivery::Delayed(pause) => Some((pause, Counts::AsDelivery)),
        Redelivery::Ended => None,
    }
}
