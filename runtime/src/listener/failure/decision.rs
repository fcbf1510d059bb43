//! What is to become of a message whose handler failed, before anything is done. Pure.

use std::time::Duration;

use crate::listener::outcome::{Disposition, ListenerError};
use crate::listener::plan::ListenerPlan;
use crate::listener::policy::OnError;

/// What is to become of a message whose handler failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listener) enum Decision {
    /// What the listener asks for: called again, delivered again, given up in the end.
    Redeliver,
    /// Delivered again after this time, and counted.
    RedeliverAfter(Duration),
    /// Given up at once.
    GiveUp,
    /// To the error queue at once.
    Park,
    Acknowledge,
    Reject,
    /// Back to its queue, without a count.
    Requeue,
}

impl Decision {
    /// What somebody has chosen holds before what the kind of the error says, and that before what
    /// the listener does with failures.
    pub(in crate::listener) fn on(error: &ListenerError, plan: &ListenerPlan) -> Self {
        if let Some(on) = Self::said(error, plan) {
            return on.into();
        }
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

    /// What is to become of a request whose caller was told of the failure. What somebody has chosen
    /// holds for it, too; where the listener would try again the caller decides that, and it is
    /// acknowledged.
    pub(in crate::listener) fn once_told(error: &ListenerError, plan: &ListenerPlan) -> Self {
        match Self::said(error, plan) {
            Some(OnError::Retry) => Self::Acknowledge,
            Some(on) => on.into(),
            None if error.disposition() == Disposition::Default => Self::Acknowledge,
            None => Self::on(error, plan),
        }
    }

    /// Whether the failure says something of the messages to come, and is not its own message's fault.
    /// What becomes of the message is another question: it may be rejected since nothing is tried again.
    pub(super) fn tells_of_others(error: &ListenerError, plan: &ListenerPlan) -> bool {
        match Self::said(error, plan) {
            Some(on) => matches!(on, OnError::Retry | OnError::RetryAfter(_)),
            None => {
                matches!(error.disposition(), Disposition::Default | Disposition::RetryAfter(_))
            }
        }
    }

    /// What is said of such errors, where the handler has said nothing of this one.
    fn said(error: &ListenerError, plan: &ListenerPlan) -> Option<OnError> {
        if error.is_chosen() { None } else { plan.failure.on_errors.of(error) }
    }
}

impl From<OnError> for Decision {
    fn from(on: OnError) -> Self {
        match on {
            OnError::Retry => Self::Redeliver,
            OnError::RetryAfter(delay) => Self::RedeliverAfter(delay),
            OnError::Requeue => Self::Requeue,
            OnError::Reject => Self::Reject,
            OnError::Park => Self::Park,
            OnError::Acknowledge => Self::Acknowledge,
            OnError::Fatal => Self::GiveUp,
        }
    }
}
