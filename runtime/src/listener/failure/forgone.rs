//! What becomes of a message that was acknowledged before its handler was called: nothing any more.
//! A failure is told, and a copy goes where the listener asks for one.

use std::sync::Arc;

use springhare_amqp::ShortString;

use super::give_up::Copied;
use super::{Decision, Failed};
use crate::backoff::Backoff;
use crate::error::{Error, NotConfirmed};
use crate::listener::consumer::Exit;
use crate::listener::context::DeliveryContext;
use crate::listener::discarded::{DiscardReason, DiscardedTo};
use crate::listener::endpoint::AcknowledgeMode;
use crate::listener::outcome::{ListenerError, Outcome};
use crate::listener::plan::ListenerPlan;
use crate::listener::retry::Recoverer;
use crate::listener::stop_signal::StopPhase;
use crate::listener::work::Work;
use crate::template::ParkReason;

/// How often a broker that is there may refuse a copy, with pauses that come to some ten seconds: longer
/// than the election of a leader takes, and a queue that is full holds the consumer up no longer.
const REFUSALS_MAX: u32 = 8;

impl Work<'_> {
    /// Tells what the handler came to, where that is not what the ack has said.
    pub(super) async fn forgo(
        &mut self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        outcome: Outcome,
    ) -> Result<(), Exit> {
        let (listener, queue) = (&*plan.id, &**context.queue());
        match outcome {
            Outcome::Ack | Outcome::Reply(_) => {}
            Outcome::Reject | Outcome::Requeue | Outcome::RetryAfter(_) => {
                tracing::error!(
                    listener,
                    queue,
                    asked_for = outcome.kind(),
                    "a message was acknowledged before its handler was called (`ack = \"first\"`), \
                     and is not delivered again"
                );
                self.tell_forgone(context, None, DiscardedTo::Nowhere);
            }
            Outcome::Failed(error) => {
                tracing::error!(
                    listener,
                    queue,
                    error = error.report(),
                    "a handler failed, and its message was acknowledged before (`ack = \"first\"`): \
                     it is not delivered again"
                );
                let to = match copy_of(&error, plan) {
                    Some(copied) => Box::pin(self.keep_copy(context, plan, &error, copied)).await?,
                    None => DiscardedTo::Nowhere,
                };
                if matters(&error, plan) {
                    self.tell_forgone(context, Some(&error), to);
                }
            }
        }
        Ok(())
    }

    async fn keep_copy(
        &mut self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        error: &ListenerError,
        copied: Copied,
    ) -> Result<DiscardedTo, Exit> {
        let failed = Failed::of(context, None);
        let (listener, queue) = (&*plan.id, &*failed.queue);
        let reason = ParkReason::Fatal { exception: error.report() };
        let (stop, clock) = (self.stop, self.settler.clock());
        let (mut backoff, mut refusals) = (Backoff::default(), 0_u32);
        loop {
            let copying = self.failure.copy_out(&failed, plan, &reason, copied);
            let Some(copied_out) = stop.unless_forced(copying).await else {
                let error = "the application is ended";
                tracing::error!(listener, queue, error, "a failed message could not be kept");
                return Err(Exit::Stopped);
            };
            let is_refused = copied_out.as_ref().is_err_and(Error::is_nack);
            refusals = refusals.saturating_add(u32::from(is_refused));
            let has_patience = !stop.is_raised() && refusals < REFUSALS_MAX;
            match copied_out {
                Ok(()) => return Ok(copied.to()),
                // Nobody else has it: it waits for the broker, and for a stop no longer.
                Err(error) if has_patience && (is_refused || is_of_the_connection(&error)) => {
                    let pause = backoff.after_failure();
                    tracing::warn!(
                        listener,
                        queue,
                        %error,
                        next_attempt_in = ?pause,
                        "a failed message could not be kept yet"
                    );
                    let _ = stop.unless(StopPhase::Draining, clock.sleep(pause)).await;
                }
                Err(error) => {
                    tracing::error!(listener, queue, %error, "a failed message could not be kept");
                    return Ok(DiscardedTo::Nowhere);
                }
            }
        }
    }

    /// Tells of a message that was not handled and that the broker has forgotten as it sent it.
    pub(super) fn tell_forgotten(
        &self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        outcome: &Outcome,
    ) {
        let error = match outcome {
            Outcome::Ack | Outcome::Reply(_) => return,
            Outcome::Failed(error) if !matters(error, plan) => return,
            Outcome::Failed(error) => Some(error),
            Outcome::Reject | Outcome::Requeue | Outcome::RetryAfter(_) => None,
        };
        self.tell_forgone(context, error, DiscardedTo::Nowhere);
    }

    fn tell_forgone(
        &self,
        context: &DeliveryContext,
        error: Option<&ListenerError>,
        to: DiscardedTo,
    ) {
        if let Some(discarding) = self.failure.discards.of(context, error) {
            discarding.tell(DiscardReason::AcknowledgedBefore, to);
        }
    }
}

/// Whether nobody has said that the error does not.
fn matters(error: &ListenerError, plan: &ListenerPlan) -> bool {
    !matches!(Decision::on(error, plan), Decision::Acknowledge)
}

/// Whether it was not sent, or may not have been, since there is no connection.
fn is_of_the_connection(error: &Error) -> bool {
    use NotConfirmed::{NotSent, Unknown};
    matches!(error, Error::Link(_) | Error::NotConfirmed(NotSent(_) | Unknown(_)))
}

/// A handler in hand whose message does not come again: dropped before it is done, that is told.
#[derive(Debug)]
pub(in crate::listener) struct Unfinished {
    listener: Arc<str>,
    queue: ShortString,
    is_done: bool,
}

impl Unfinished {
    /// None where the message comes again.
    pub(in crate::listener) fn of(plan: &ListenerPlan, context: &DeliveryContext) -> Option<Self> {
        (plan.acknowledge == AcknowledgeMode::First).then(|| Self {
            listener: Arc::clone(&plan.id),
            queue: context.queue().clone(),
            is_done: false,
        })
    }

    /// The handler is done.
    pub(in crate::listener) fn is_done(unfinished: Option<Self>) {
        if let Some(mut unfinished) = unfinished {
            unfinished.is_done = true;
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let (listener, queue) = (&*self.listener, &*self.queue);
        tracing::error!(
            listener,
            queue,
            "a handler was cut off, and its message was acknowledged before (`ack = \"first\"`): it \
             is not delivered again"
        );
    }
}

/// Where a copy of the failed message goes, if somebody asks for one.
fn copy_of(error: &ListenerError, plan: &ListenerPlan) -> Option<Copied> {
    match (Decision::on(error, plan), &plan.failure.recoverer) {
        (Decision::Park, _) => Some(Copied::Parked),
        (Decision::Acknowledge | Decision::Reject, _) => None,
        (_, Recoverer::Park) => Some(Copied::Parked),
        (_, Recoverer::Republish { .. }) => Some(Copied::Republished),
        (_, Recoverer::Default | Recoverer::Reject | Recoverer::Requeue) => None,
    }
}
