//! What becomes of a message by its handler's outcome; for a failed one that is the failure
//! default: paced redelivery, then the dead-letter exchange or `<queue>.error`.

mod circuit;
mod decision;
mod forgone;
mod give_up;
mod retry;
mod stream;
mod unmatched;

use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::{Multiple, PublishedMessage, Requeue};

pub(super) use decision::Decision;
pub(super) use forgone::Unfinished;
#[cfg(test)]
pub(super) use retry::Retried;
pub(super) use retry::{Retry, RetryResult};

use super::consumer::Exit;
use super::context::DeliveryContext;
use super::discarded::{DiscardReason, DiscardedTo, Discarding, Discards};
use super::endpoint::AcknowledgeMode;
use super::outcome::Outcome;
use super::pacing::{Failures, Redelivery};
use super::plan::ListenerPlan;
use super::work::Work;
use crate::channel::Verdict;
use crate::template::{ParkReason, RabbitTemplate};

/// Where a consumer's failed messages end.
#[derive(Debug, Clone)]
pub(crate) struct FailurePolicy<'s> {
    pub(crate) template: &'s RabbitTemplate,
    /// The queue has a dead-letter exchange; it takes what is rejected.
    pub(crate) dead_letters: DeadLetters,
    /// The queue that messages are parked in else.
    pub(crate) error_queue: ShortString,
    pub(crate) kept: Kept,
    /// Where it is told what is given up.
    pub(crate) discards: &'s Discards,
}

/// Whether what was delivered stays where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Until it is acknowledged; else it can come back.
    UntilSettled,
    /// In a stream, which delivers it to nobody twice.
    InStream,
}

/// Whether a queue's rejected messages are kept by a dead-letter exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeadLetters {
    /// Under a key of the queue's own (`x-dead-letter-routing-key`).
    UnderItsKey,
    /// To this exchange, under the key that each was published with.
    ToExchange(ShortString),
    Nowhere,
}

impl DeadLetters {
    /// Where a rejected message goes.
    fn of_rejected(&self) -> DiscardedTo {
        match self {
            Self::UnderItsKey | Self::ToExchange(_) => DiscardedTo::DeadLetterExchange,
            Self::Nowhere => DiscardedTo::Nowhere,
        }
    }
}

/// What is known of a failed delivery.
struct Failed {
    delivery_tag: u64,
    failures: Failures,
    /// The queue that it came from.
    queue: ShortString,
    message: Arc<PublishedMessage>,
    /// What is told if it is given up, where somebody wants to hear of it.
    discarding: Option<Discarding>,
}

impl Failed {
    fn of(context: &DeliveryContext, discarding: Option<Discarding>) -> Self {
        let delivery = context.delivery();
        Self {
            delivery_tag: delivery.delivery_tag,
            failures: context.failures(),
            queue: context.queue().clone(),
            message: Arc::clone(&delivery.message),
            discarding,
        }
    }

    /// It was given up.
    fn tell(self, reason: DiscardReason, to: DiscardedTo) {
        if let Some(discarding) = self.discarding {
            discarding.tell(reason, to);
        }
    }
}

impl Work<'_> {
    /// Settles what needs no waiting: the success of nearly every message.
    pub(super) fn settle_at_once(
        &mut self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        outcome: &Outcome,
    ) -> bool {
        if !matches!(outcome, Outcome::Ack) {
            return false;
        }
        match plan.acknowledge {
            AcknowledgeMode::Auto => {}
            // It was before.
            AcknowledgeMode::First => return true,
            AcknowledgeMode::Manual | AcknowledgeMode::None => return false,
        }
        if self.claim(context) {
            self.settler.done(context.delivery().delivery_tag);
        }
        true
    }

    /// Settles the delivery in `context` by what its handler came to, unless it is settled.
    pub(super) async fn settle(
        &mut self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        outcome: Outcome,
    ) -> Result<(), Exit> {
        let delivery_tag = context.delivery().delivery_tag;
        match (plan.acknowledge, outcome) {
            (AcknowledgeMode::First, outcome) => self.forgo(context, plan, outcome).await?,
            (AcknowledgeMode::None, outcome) => {
                log_unsettled(plan, &outcome);
                self.tell_forgotten(context, plan, &outcome);
            }
            (AcknowledgeMode::Manual, Outcome::Ack) if !context.is_discarded() => {
                match context.settlement() {
                    Some(settlement) => settlement.handler_returned(delivery_tag),
                    None => tracing::warn!(
                        listener = &*plan.id,
                        delivery_tag,
                        "a manual listener took no DeliveryTag; its message stays unacknowledged \
                     until the channel closes"
                    ),
                }
            }
            (AcknowledgeMode::Auto | AcknowledgeMode::Manual, outcome) => {
                if self.claim(context) {
                    self.refuse(context, plan, outcome).await?;
                } else {
                    log_unsettled(plan, &outcome);
                }
            }
        }
        Ok(())
    }

    /// A delivery that was said to stay open comes to this: acks may cover it from now on.
    pub(super) async fn closes(
        &mut self,
        context: &DeliveryContext,
        outcome: &Outcome,
    ) -> Result<(), Exit> {
        let delivery_tag = context.delivery().delivery_tag;
        if matches!(outcome, Outcome::Ack) {
            self.settler.closes_at_once(delivery_tag);
            return Ok(());
        }
        Ok(self.settler.closes(delivery_tag).await?)
    }

    /// Makes the container the one who settles; false if the handler has.
    pub(super) fn claim(&self, context: &DeliveryContext) -> bool {
        let unclaimed = context.settlement().is_none_or(|settlement| settlement.claim());
        unclaimed && !self.settler.channel().is_covered(context.delivery().delivery_tag)
    }

    async fn refuse(
        &mut self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        outcome: Outcome,
    ) -> Result<(), Exit> {
        let mut failed = Failed::of(context, self.discarding(context, &outcome));
        if let Outcome::Failed(error) = &outcome {
            tracing::warn!(
                listener = &*plan.id,
                queue = &**context.queue(),
                attempt = failed.failures.attempts(),
                error = error.report(),
                disposition = ?error.disposition(),
                "a handler failed"
            );
        }
        if self.failure.kept == Kept::InStream {
            return self.leave_in_stream(failed, plan, outcome).await;
        }
        let verdict = match outcome {
            Outcome::Ack | Outcome::Reply(_) => Verdict::Ack(Multiple::One),
            Outcome::Reject => Verdict::Reject(Requeue::No),
            Outcome::Requeue => Verdict::Nack(Requeue::Yes),
            Outcome::RetryAfter(pause) => {
                let next = failed.failures.redelivery_after(pause, &plan.failure.redeliveries);
                let exception = "its handler asked for it again".to_owned();
                return self.redeliver(failed, plan, next, exception).await;
            }
            Outcome::Failed(error) => match Decision::on(&error, plan) {
                Decision::Reject => Verdict::Reject(Requeue::No),
                Decision::Requeue => Verdict::Nack(Requeue::Yes),
                Decision::Acknowledge => Verdict::Ack(Multiple::One),
                Decision::GiveUp => {
                    let reason = ParkReason::Fatal { exception: error.report() };
                    return self.give_up(failed, plan, reason).await;
                }
                Decision::Park => {
                    let reason = ParkReason::Fatal { exception: error.report() };
                    return self.park(failed, plan, reason).await;
                }
                Decision::RedeliverAfter(pause) => {
                    let next = failed.failures.redelivery_after(pause, &plan.failure.redeliveries);
                    return self.redeliver(failed, plan, next, error.report()).await;
                }
                Decision::Redeliver => {
                    let follow = plan.failure.redeliveries_after(context.failed_calls());
                    let next = failed.failures.redelivery(follow);
                    return self.redeliver(failed, plan, next, error.report()).await;
                }
            },
        };
        let is_rejected = verdict == Verdict::Reject(Requeue::No);
        if let Some(discarding) = failed.discarding.as_mut().filter(|_| is_rejected) {
            discarding.is_rejected();
        }
        if is_rejected && self.is_ours_to_dead_letter(&failed) {
            let reason = ParkReason::Fatal { exception: "its handler rejected it".to_owned() };
            return self.give_up(failed, plan, reason).await;
        }
        self.settler.settle(failed.delivery_tag, verdict).await?;
        if is_rejected {
            failed.tell(DiscardReason::Rejected, self.failure.dead_letters.of_rejected());
        }
        Ok(())
    }

    /// What is told if the delivery is given up, where somebody wants to hear of it.
    fn discarding(&self, context: &DeliveryContext, outcome: &Outcome) -> Option<Discarding> {
        let error = match outcome {
            Outcome::Ack | Outcome::Reply(_) => return None,
            Outcome::Failed(error) => Some(error),
            Outcome::Reject | Outcome::Requeue | Outcome::RetryAfter(_) => None,
        };
        self.failure.discards.of(context, error)
    }

    /// Whether the broker would take it to its dead-letter exchange under a wrong key: a retry copy
    /// is to it a message of the default exchange, and nobody waits there for its queue's name.
    fn is_ours_to_dead_letter(&self, failed: &Failed) -> bool {
        matches!(self.failure.dead_letters, DeadLetters::ToExchange(_))
            && self.failure.template.is_retry(&failed.message)
    }

    /// Delivers it again after its pause, or gives it up when it has failed too often.
    async fn redeliver(
        &mut self,
        failed: Failed,
        plan: &ListenerPlan,
        next: Redelivery,
        exception: String,
    ) -> Result<(), Exit> {
        let delivery_tag = failed.delivery_tag;
        match next {
            Redelivery::Ended => {
                let reason = ParkReason::DeliveriesExhausted { exception };
                self.give_up(failed, plan, reason).await
            }
            // A consumer that stops does not wait the pause out.
            _ if self.is_draining() => {
                let requeue = Verdict::Reject(Requeue::Yes);
                Ok(self.settler.settle(delivery_tag, requeue).await?)
            }
            Redelivery::RequeueAfter(pause) => {
                Ok(self.settler.requeue_after(delivery_tag, pause).await?)
            }
            Redelivery::RepublishAfter(pause) => {
                let retry = self.retry_of(failed, exception, None);
                Ok(self.settler.republish_after(delivery_tag, pause, retry).await?)
            }
            // It waits at the broker, and not here.
            Redelivery::Delayed(delay) => {
                let retry = self.retry_of(failed, exception, Some(delay));
                Ok(self.settler.republish_after(delivery_tag, Duration::ZERO, retry).await?)
            }
        }
    }

    fn retry_of(&self, failed: Failed, exception: String, delay: Option<Duration>) -> Retry {
        Retry {
            template: self.failure.template.clone(),
            queue: failed.queue,
            message: failed.message,
            attempts: failed.failures.attempts(),
            delay,
            exception,
            dead_letters: self.failure.dead_letters.clone(),
            error_queue: self.failure.error_queue.clone(),
            discarding: failed.discarding,
        }
    }
}

/// A failure that settles nothing, since the message is settled already.
fn log_unsettled(plan: &ListenerPlan, outcome: &Outcome) {
    if let Outcome::Failed(error) = outcome {
        tracing::warn!(
            listener = &*plan.id,
            error = error.report(),
            "a handler failed after its message was settled"
        );
    }
}
