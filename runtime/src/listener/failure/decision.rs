//! What is to become of a message whose handler failed, before anything is done. Pure.

use std::time::Duration;

use crate::listener::outcome::{Disposition, ListenerError};
use crate::listener::plan::ListenerPlan;

/// What is to become of a message whose handler failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Decision {
    /// What the listener asks for: called again, delivered again, given up in the end.
    Redeliver,
    /// Delivered again after this time, and counted.
    RedeliverAfter(Duration),
    /// Given up at once.
    GiveUp,
    Acknowledge,
    Reject,
    /// Back to its queue, without a count.
    Requeue,
}

impl Decision {
    /// What somebody has chosen holds before what the kind of the error says, and that before what
    /// the listener does with failures.
    pub(in crate::listener) fn on(error: &ListenerError, plan: &ListenerPlan) -> Self {
        match error.disposition() {
            Disposition::RejectAndDontRequeue => Self::Reject,
            Disposition::ImmediateRequeue => Self::Requeue,
            Disposition::RetryAfter(delay) => Self::RedeliverAfter(delay),
            Disposition::ImmediateAcknowledge => Self::Acknowledge,
            Disposition::Fatal => Self::GiveUp,
            Disposition::Default if !plan.requeue_rejected => Self::Reject,
            Disposition::Default => Self::Redeliver,
        }
    }
}
