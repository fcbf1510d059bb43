//! Calls a handler again with the delivery that it failed on, after a pause in which the message
//! waits in this process. Its consumer waits with it: order is the reason to ask for this.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::backoff::random;
use crate::listener::attempt::Attempt;
use crate::listener::consumer::{ConsumerLoop, Exit};
use crate::listener::context::DeliveryContext;
use crate::listener::failure::{Decision, Kept};
use crate::listener::handling::Handling;
use crate::listener::invoke::Call;
use crate::listener::outcome::Outcome;
use crate::listener::outgoing;
use crate::listener::plan::ListenerPlan;
use crate::listener::work::Work;

/// How long a pause goes on at the most without a look at the channel.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a pause between two calls ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Done,
    /// The consumer is told to stop, or has lost its channel.
    CutShort,
}

impl ConsumerLoop<'_> {
    /// What a delivery comes to that its handler has failed on once: calls it again as often as the
    /// listener asks for, unless the handler has settled the message.
    ///
    /// A stop ends the pause, and the message goes back to its queue.
    pub(in crate::listener) async fn after_failure(
        &mut self,
        handling: &Handling,
        mut outcome: Outcome,
    ) -> Result<Outcome, Exit> {
        let plan = &*handling.plan;
        for failed in 1.. {
            outcome = self.work.looked_at(plan, &self.context, outcome).await?;
            let Outcome::Failed(error) = &outcome else { break };
            if Decision::on(error, plan) != Decision::Redeliver {
                break;
            }
            let Some(pause) = plan.failure.calls.pause_after(failed, random()) else { break };
            if self.work.is_draining() || !self.work.claim(&self.context) {
                break;
            }
            self.context.renew();
            tracing::warn!(
                listener = &*plan.id,
                queue = &**self.context.queue(),
                call = failed,
                error = error.report(),
                next_call_in = ?pause,
                "a handler failed and is called again"
            );
            if self.work.rest(pause).await? == Rest::CutShort {
                // A stream has no place for it to go back to, and what was acknowledged does not come
                // again: it has failed.
                if self.work.failure.kept == Kept::UntilSettled && !self.work.acknowledges_first() {
                    outcome = Outcome::Requeue;
                }
                break;
            }
            outcome = self.work.call(handling, &self.context).await?;
        }
        Ok(outcome)
    }
}

impl Work<'_> {
    async fn call(
        &mut self,
        handling: &Handling,
        context: &DeliveryContext,
    ) -> Result<Outcome, Exit> {
        let mut attempt = Attempt::new(handling, self.settler.clock(), context);
        match poll_fn(|cx| Poll::Ready(attempt.poll(cx))).await {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => self.until_done(&mut attempt).await,
        }
    }

    /// What a failure comes to once the listener's error handler has looked at it.
    async fn looked_at(
        &mut self,
        plan: &ListenerPlan,
        context: &DeliveryContext,
        outcome: Outcome,
    ) -> Result<Outcome, Exit> {
        let Some(handler) = plan.function.error_handler else { return Ok(outcome) };
        let error = match outcome {
            Outcome::Failed(error) => error,
            other => return Ok(other),
        };
        // It has failed, whatever this comes to.
        outgoing::discard(context);
        let call = Call::begin(|| handler(context, error));
        let mut attempt = Attempt::bounded(call, plan.failure.timeout, self.settler.clock());
        match poll_fn(|cx| Poll::Ready(attempt.poll(cx))).await {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => self.until_done(&mut attempt).await,
        }
    }

    /// Waits, and tends to the rest meanwhile. A message whose channel is lost is somebody else's; one
    /// that is acknowledged keeps its consumer from starting again. Both are looked for every
    /// [`LOOK_EVERY`].
    async fn rest(&mut self, pause: Duration) -> Result<Rest, Exit> {
        let until = self.settler.clock().now().saturating_add(pause);
        loop {
            let now = self.settler.clock().now();
            if now >= until {
                return Ok(Rest::Done);
            }
            let sleep = self.settler.clock().sleep((until - now).min(LOOK_EVERY));
            let stop = self.stop;
            let resting = Box::pin(async move {
                let mut sleep = pin!(sleep);
                poll_fn(|cx| match sleep.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(()),
                    Poll::Pending if stop.is_raised() => Poll::Ready(()),
                    Poll::Pending => Poll::Pending,
                })
                .await;
                Outcome::Ack
            });
            let _ = self.until_done(&mut Attempt::of(resting)).await?;
            if self.stop.is_raised() {
                self.heed_stop().await?;
                return Ok(Rest::CutShort);
            }
            match self.settler.channel().link().close_reason() {
                None => {}
                Some(_) if self.acknowledges_first() => return Ok(Rest::CutShort),
                Some(reason) => return Err(Exit::Lost(reason.to_string())),
            }
        }
    }
}
