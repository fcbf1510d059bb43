//! A consumer that hands its messages to the handler several at a time.
//!
//! A batch is handed over when it is full, when its time is up, or when nothing more will come:
//! the consumer stops. What could not be settled as the handler wished it, since an earlier message
//! failed, stays here and begins the next batch, so that no message is overtaken and none is
//! counted as failed that was not looked at.

mod outcome;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use springhare_broker::{Clock, Delivery, Sleep};

pub use outcome::{BatchError, IntoBatchOutcome};

use super::consumer::{Event, Exit, Work};
use super::context::{BatchContext, DeliveryContext};
use super::endpoint::{AcknowledgeMode, InvokeBatch};
use super::invoke::Call;
use super::outcome::Outcome;
use super::plan::ListenerPlan;
use super::reply;
use super::settle::Due;
use outcome::{Verdict, verdicts};

/// How many messages make a batch, and how long one that is not full waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchPlan {
    pub(crate) size: u16,
    pub(crate) timeout: Duration,
}

impl BatchPlan {
    /// How long a batch that is not full waits where the attribute does not say, as in Spring.
    pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);
}

/// A consumer at work, batch by batch.
pub(super) struct BatchLoop<'s> {
    plan: &'s ListenerPlan,
    invoke: InvokeBatch,
    batch: BatchContext,
    /// Taken over from the broker, not yet handled.
    received: VecDeque<Delivery>,
    /// Runs while a batch waits to become full.
    timer: Option<Sleep>,
    clock: Clock,
    work: Work<'s>,
}

impl<'s> BatchLoop<'s> {
    pub(super) fn new(
        plan: &'s ListenerPlan,
        invoke: InvokeBatch,
        context: DeliveryContext,
        clock: Clock,
        work: Work<'s>,
    ) -> Self {
        let batch = BatchContext::new(context);
        Self { plan, invoke, batch, received: VecDeque::new(), timer: None, clock, work }
    }

    /// Works until it is told to stop or the consumer is lost; then closes the channel, which
    /// requeues what is not settled.
    pub(super) async fn run(mut self) -> Exit {
        loop {
            if let Err(exit) = self.step().await {
                self.work.close(self.plan).await;
                return exit;
            }
        }
    }

    fn size(&self) -> usize {
        self.plan.batch.map_or(1, |batch| usize::from(batch.size.max(1)))
    }

    async fn step(&mut self) -> Result<(), Exit> {
        self.work.heed_stop().await?;
        if self.work.settler.has_due() {
            self.work.settler.requeue_due().await?;
        }
        if self.received.len() >= self.size() {
            return self.handle().await;
        }
        if self.work.take_more(&mut self.received).await {
            return Ok(());
        }
        if self.work.is_draining() && !self.received.is_empty() {
            return self.handle().await;
        }
        self.work.settler.flush().await?;
        if !self.received.is_empty() && self.timer.is_none() {
            let timeout = self.plan.batch.map_or(BatchPlan::TIMEOUT, |batch| batch.timeout);
            self.timer = Some(self.clock.sleep(timeout));
        }
        match self.work.next(&mut self.received, self.timer.as_mut()).await {
            Event::Received => Ok(()),
            Event::PauseEnded => Ok(self.work.settler.requeue_due().await?),
            Event::TimeUp => self.handle().await,
            Event::Stop => self.work.heed_stop().await,
            Event::Ended if !self.received.is_empty() && !self.work.is_lost() => {
                self.handle().await
            }
            Event::Ended => Err(self.work.end().await?),
        }
    }

    /// Calls the handler with what is there, up to a full batch.
    async fn handle(&mut self) -> Result<(), Exit> {
        self.timer = None;
        let count = self.received.len().min(self.size());
        self.received.drain(..count).for_each(|delivery| self.batch.push(delivery));
        let outcome = {
            let mut call = Call::begin(|| (self.invoke)(&self.batch));
            match poll_fn(|cx| Poll::Ready(call.poll(cx))).await {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => self.work.until_done(&mut call).await?,
            }
        };
        let verdicts = verdicts(count, outcome, self.batch.take_verdicts());
        let mut again = Vec::new();
        for (context, verdict) in self.batch.messages().iter().zip(verdicts) {
            match verdict {
                Verdict::Settle(outcome) => self.work.conclude(context, self.plan, outcome).await?,
                Verdict::Again if self.plan.acknowledge == AcknowledgeMode::Manual => {
                    // Its tag is the handler's, who may have settled it.
                    self.work.conclude(context, self.plan, Outcome::Requeue).await?;
                }
                Verdict::Again => again.push(context.delivery().clone()),
            }
        }
        again.into_iter().rev().for_each(|delivery| self.received.push_front(delivery));
        self.batch.clear();
        match self.work.settler.after_message() {
            Due::Nothing => {}
            Due::Flush => self.work.settler.flush().await?,
            Due::Breath => {
                self.work.settler.flush().await?;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

impl Work<'_> {
    /// Answers and settles one message of several.
    async fn conclude(
        &mut self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        mut outcome: Outcome,
    ) -> Result<(), Exit> {
        if reply::is_answer(context, plan, &outcome) {
            outcome = self.answer(context, plan, outcome).await?;
        }
        if self.settle_at_once(context, plan, &outcome) {
            return Ok(());
        }
        self.settle(context, plan, outcome).await
    }
}
