//! Where a message goes that will not be handled.

use springhare_broker::{Multiple, Requeue};

use super::{DeadLetters, Failed, FailurePolicy, Work};
use crate::channel::Verdict;
use crate::error::Error;
use crate::listener::consumer::Exit;
use crate::listener::discarded::{DiscardReason, DiscardedTo};
use crate::listener::pacing::PAUSE_MAX;
use crate::listener::plan::ListenerPlan;
use crate::listener::retry::{Manner, Recoverer};
use crate::template::{ParkReason, ParkedFrom, was_rejected_from};

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    /// Rejected: its broker takes it to the dead-letter exchange, or drops it.
    Reject,
    /// Back to its queue.
    Requeue,
    /// Acknowledged and gone.
    Discard,
    /// A copy goes out of here, and is confirmed before the original is acknowledged.
    Copy(Copied),
}

/// Where a copy goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// To the error queue.
    Parked,
    /// To the dead-letter exchange, under the original's key.
    DeadLettered,
    /// Where the listener says.
    Republished,
}

impl Copied {
    pub(super) fn to(self) -> DiscardedTo {
        match self {
            Self::Parked => DiscardedTo::ErrorQueue,
            Self::DeadLettered => DiscardedTo::DeadLetterExchange,
            Self::Republished => DiscardedTo::Exchange,
        }
    }
}

impl Work<'_> {
    /// Takes a message out of the way that will not be handled: where its listener says, or else
    /// to the dead-letter exchange or to the error queue.
    pub(super) async fn give_up(
        &mut self,
        failed: Failed,
        plan: &ListenerPlan,
        reason: ParkReason,
    ) -> Result<(), Exit> {
        let way = self.way(&failed, plan, &reason);
        self.go(failed, plan, reason, way).await
    }

    /// Takes a message to the error queue, whatever its listener says.
    pub(super) async fn park(
        &mut self,
        failed: Failed,
        plan: &ListenerPlan,
        reason: ParkReason,
    ) -> Result<(), Exit> {
        self.go(failed, plan, reason, Way::Copy(Copied::Parked)).await
    }

    async fn go(
        &mut self,
        failed: Failed,
        plan: &ListenerPlan,
        reason: ParkReason,
        way: Way,
    ) -> Result<(), Exit> {
        let delivery_tag = failed.delivery_tag;
        let (verdict, to) = match way {
            Way::Reject => (Verdict::Reject(Requeue::No), self.failure.dead_letters.of_rejected()),
            Way::Requeue => {
                return Ok(self.settler.settle(delivery_tag, Verdict::Nack(Requeue::Yes)).await?);
            }
            Way::Discard => {
                tracing::error!(
                    listener = &*plan.id,
                    queue = &*failed.queue,
                    error = reason.exception(),
                    "a message that was rejected here before has failed for good again, and is \
                     dropped"
                );
                (Verdict::Ack(Multiple::One), DiscardedTo::Nowhere)
            }
            Way::Copy(copied) => {
                self.settler.flush().await?;
                let stop = self.stop;
                let copying = self.failure.copy_out(&failed, plan, &reason, copied);
                // Rare, and large.
                let copying = self.settler.beside_copies(Box::pin(copying));
                match stop.unless_forced(copying).await.ok_or(Exit::Stopped)? {
                    Ok(()) => (Verdict::Ack(Multiple::One), copied.to()),
                    Err(error) => {
                        tracing::error!(
                            listener = &*plan.id,
                            queue = &*failed.queue,
                            %error,
                            "a message could not be given up; it is delivered again"
                        );
                        return Ok(self.settler.requeue_after(delivery_tag, PAUSE_MAX).await?);
                    }
                }
            }
        };
        self.settler.settle(delivery_tag, verdict).await?;
        failed.tell(DiscardReason::from(&reason), to);
        Ok(())
    }

    fn way(&self, failed: &Failed, plan: &ListenerPlan, reason: &ParkReason) -> Way {
        let has_dead_letters = self.failure.dead_letters != DeadLetters::Nowhere;
        let is_fatal = matches!(reason, ParkReason::Fatal { .. });
        // What came back after it was rejected here would go round for ever.
        let goes_round =
            is_fatal && has_dead_letters && was_rejected_from(&failed.message, &failed.queue);
        let dead_lettered = if self.is_ours_to_dead_letter(failed) {
            Way::Copy(Copied::DeadLettered)
        } else {
            Way::Reject
        };
        match &plan.failure.recoverer {
            Recoverer::Republish { .. } => Way::Copy(Copied::Republished),
            Recoverer::Park => Way::Copy(Copied::Parked),
            Recoverer::Requeue if !is_fatal => Way::Requeue,
            _ if goes_round && plan.failure.manner == Manner::Spring => Way::Discard,
            _ if goes_round => Way::Copy(Copied::Parked),
            Recoverer::Reject => dead_lettered,
            _ if plan.failure.manner == Manner::Spring => dead_lettered,
            _ if has_dead_letters => dead_lettered,
            Recoverer::Default | Recoverer::Requeue => Way::Copy(Copied::Parked),
        }
    }
}

impl FailurePolicy<'_> {
    /// Sends the copy; `Ok` once it is confirmed.
    pub(super) async fn copy_out(
        &self,
        failed: &Failed,
        plan: &ListenerPlan,
        reason: &ParkReason,
        copied: Copied,
    ) -> Result<(), Error> {
        let (template, message) = (self.template, &failed.message);
        let from = ParkedFrom { queue: &failed.queue, attempts: failed.failures.attempts() };
        match (copied, &self.dead_letters, &plan.failure.recoverer) {
            (Copied::Republished, _, Recoverer::Republish { exchange, routing_key }) => {
                let key = routing_key.as_ref();
                template.recover(exchange, key, message, reason, from).await
            }
            (Copied::DeadLettered, DeadLetters::ToExchange(exchange), _) => {
                template.dead_letter(exchange, message, reason, from).await
            }
            _ => template.park(&self.error_queue, message, reason, from).await,
        }
    }
}
