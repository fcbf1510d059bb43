use std::collections::VecDeque;
use std::time::Duration;

use super::{DeadLetterTo, QueueMessage};
use crate::model::dead_letter::DeathReason;
use crate::model::ids::QueueId;

/// How long dead letters that not all queues took wait until they are tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How many of them are tried at a time, as many as RabbitMQ's worker; the next when these got
/// through.
const TRIED_AT_ONCE_MAX: usize = 32;

/// A message that is dead in its queue, and not yet in all others that it goes to.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) message: QueueMessage,
    pub(crate) reason: DeathReason,
    /// The queues that have it already.
    pub(crate) taken_by: Vec<QueueId>,
    /// Whether it waits at the delayed exchanges that it goes to.
    pub(crate) is_delayed: bool,
}

impl Dead {
    pub(super) fn new(message: QueueMessage, reason: DeathReason) -> Self {
        Self { message, reason, taken_by: Vec::new(), is_delayed: false }
    }
}

/// Dead messages, in the order in which they died, and where they go.
#[derive(Debug)]
pub(crate) struct DeadBatch {
    pub(crate) to: DeadLetterTo,
    pub(crate) dead: Vec<Dead>,
}

/// The dead messages of a queue that are not dead-lettered yet.
#[derive(Debug, Default)]
pub(super) struct DeadMessages {
    fresh: Vec<Dead>,
    /// Somebody is about to dead-letter those that died before, and takes the next after them:
    /// so they stay in order.
    is_dead_lettering: bool,
    /// Those that not all queues took, and until when they wait.
    waiting: VecDeque<Dead>,
    again_at: Duration,
}

impl DeadMessages {
    pub(super) fn add(&mut self, dead: Dead) {
        self.fresh.push(dead);
    }

    /// Those to be dead-lettered now; none while others are.
    pub(super) fn take(&mut self) -> Option<Vec<Dead>> {
        if self.is_dead_lettering || self.fresh.is_empty() {
            return None;
        }
        self.is_dead_lettering = true;
        Some(std::mem::take(&mut self.fresh))
    }

    /// Those that were taken are dead-lettered, or kept.
    pub(super) fn finish(&mut self) {
        self.is_dead_lettering = false;
    }

    #[cfg(test)]
    pub(super) fn messages(&self) -> impl Iterator<Item = &QueueMessage> {
        self.fresh.iter().chain(&self.waiting).map(|dead| &dead.message)
    }

    /// All, taken out.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Dead> {
        let (fresh, waiting) = (&mut self.fresh, &mut self.waiting);
        std::mem::take(fresh).into_iter().chain(std::mem::take(waiting))
    }

    /// Keeps what not all queues took of those that were taken. Where they took all, the
    /// next that wait may have their turn.
    pub(super) fn keep(&mut self, dead: Vec<Dead>, now: Duration) {
        let after = if dead.is_empty() { Duration::ZERO } else { TRY_AGAIN_AFTER };
        self.again_at = now.saturating_add(after);
        self.waiting.extend(dead);
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When those that wait are tried again.
    pub(super) fn next_try(&self) -> Option<Duration> {
        self.has_waiting().then_some(self.again_at)
    }

    /// The next of those that wait are to be dead-lettered now, if it is time.
    pub(super) fn try_again(&mut self, now: Duration) {
        if now >= self.again_at {
            let some = self.waiting.len().min(TRIED_AT_ONCE_MAX);
            self.fresh.extend(self.waiting.drain(..some));
            self.again_at = now.saturating_add(TRY_AGAIN_AFTER);
        }
    }
}
