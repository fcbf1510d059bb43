use std::time::Duration;

use super::{DeadLetterTo, QueueMessage};
use crate::model::dead_letter::DeathReason;

/// How long a dead letter that no queue takes waits until it is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A message that is dead in its queue, and not yet in another.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) message: QueueMessage,
    pub(crate) reason: DeathReason,
}

/// Dead messages, in the order in which they died, and where they go.
#[derive(Debug)]
pub(crate) struct DeadBatch {
    pub(crate) to: DeadLetterTo,
    pub(crate) dead: Vec<Dead>,
}

/// The dead of a queue that are not buried yet.
#[derive(Debug, Default)]
pub(super) struct Graveyard {
    fresh: Vec<Dead>,
    /// Those that no queue took, and until when they wait.
    waiting: Vec<Dead>,
    again_at: Duration,
}

impl Graveyard {
    pub(super) fn add(&mut self, dead: Dead) {
        self.fresh.push(dead);
    }

    /// Those to be buried now.
    pub(super) fn take(&mut self) -> Option<Vec<Dead>> {
        (!self.fresh.is_empty()).then(|| std::mem::take(&mut self.fresh))
    }

    /// Keeps what no queue took.
    pub(super) fn keep(&mut self, dead: Vec<Dead>, now: Duration) {
        if self.waiting.is_empty() {
            self.again_at = now.saturating_add(TRY_AGAIN_AFTER);
        }
        self.waiting.extend(dead);
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When those that wait are tried again.
    pub(super) fn next_try(&self) -> Option<Duration> {
        self.has_waiting().then_some(self.again_at)
    }

    /// Those that wait are to be buried now, if it is time, and before the others.
    pub(super) fn try_again(&mut self, now: Duration) {
        if now >= self.again_at {
            let fresh = std::mem::take(&mut self.fresh);
            self.fresh = std::mem::take(&mut self.waiting);
            self.fresh.extend(fresh);
        }
    }
}
