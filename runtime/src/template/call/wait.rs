//! How long a call waits, and what it comes to then.
//!
//! A call to a queue that the application has stopped to consume from waits shorter: nobody answers any
//! more, unless another program consumes from it, too.

use std::time::Duration;

use springhare_amqp::ShortString;

use crate::error::CallError;

/// How long a call waits for another program's answer then.
pub(super) const UNATTENDED_WAIT: Duration = Duration::from_secs(1);

/// How long a call waits.
#[derive(Debug, Clone)]
pub(super) struct Wait {
    /// The queue that it is to; none where an exchange knows.
    queue: Option<ShortString>,
    /// By the clock.
    until: Duration,
    /// How long that is from its start; none once its queue is left.
    after: Option<Duration>,
}

impl Wait {
    pub(super) fn new(queue: Option<ShortString>, now: Duration, timeout: Duration) -> Self {
        Self { queue, until: now.saturating_add(timeout), after: Some(timeout) }
    }

    pub(super) fn until(&self) -> Duration {
        self.until
    }

    pub(super) fn is_for(&self, is_left: impl FnOnce(&ShortString) -> bool) -> bool {
        self.queue.as_ref().is_some_and(is_left)
    }

    /// Nobody is there any more who answers; whether it waits shorter for that.
    pub(super) fn leave(&mut self, now: Duration) -> bool {
        let until = now.saturating_add(UNATTENDED_WAIT);
        let is_sooner = until < self.until;
        if is_sooner {
            (self.until, self.after) = (until, None);
        }
        is_sooner
    }

    /// What it comes to without a reply.
    pub(super) fn error(&self) -> CallError {
        self.after.map_or(CallError::Stopped, |after| CallError::Timeout { after })
    }
}
