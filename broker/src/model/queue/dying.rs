//! How messages die in a queue, and how it hears what became of them.

use super::{Dead, DeadBatch, Queue, QueueMessage};
use crate::model::dead_letter::DeathReason;
use crate::model::now::Now;

/// How many messages expire at the most before the queue is let go for others.
const EXPIRED_AT_ONCE_MAX: usize = 1_024;

impl Queue {
    /// The dead that are to be sent on, if there are any and no others are on their way;
    /// [`dead_lettered`](Self::dead_lettered) is to follow.
    pub(crate) fn take_dead(&mut self) -> Option<DeadBatch> {
        let to = self.settings.dead_letter.as_ref()?;
        self.dead.take().map(|dead| DeadBatch { to: to.clone(), dead })
    }

    /// What became of the dead that were taken: these are where they belong, or nowhere for good. One
    /// whose place another has taken in the journal has no reference any more.
    /// Not all queues take those that are kept, or none: they stay, and are tried again.
    pub(crate) fn dead_lettered<'d>(
        &mut self,
        dead: impl IntoIterator<Item = &'d Dead>,
        kept: Vec<Dead>,
        now: &Now<'_>,
    ) {
        for Dead { message, .. } in dead {
            self.away_bytes -= u64::from(message.charge);
            self.changes.settled.add(message.reference);
        }
        if !kept.is_empty() || self.dead.has_waiting() {
            self.dead.keep(kept, now.get());
        }
        self.dead.finish();
    }

    /// Those die that have expired and stand at the front, or were passed over.
    pub(super) fn expire_front(&mut self) {
        if !self.ready.has_mortals() && !self.ready.has_passed_over() {
            return;
        }
        for message in self.ready.take_expired(EXPIRED_AT_ONCE_MAX) {
            self.take_leave(message, DeathReason::Expired);
        }
    }

    /// A message dies that was ready, or never got that far.
    pub(super) fn take_leave(&mut self, message: QueueMessage, reason: DeathReason) {
        self.away_bytes += u64::from(message.charge);
        self.die(message, reason);
    }

    /// A message dies that was out.
    pub(super) fn die(&mut self, message: QueueMessage, reason: DeathReason) {
        if self.settings.dead_letter.is_some() {
            self.dead.add(Dead::new(message, reason));
        } else {
            self.away_bytes -= u64::from(message.charge);
            self.changes.settled.add(message.reference);
        }
    }
}
