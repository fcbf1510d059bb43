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

use springhare_broker::{Delivery, Sleep};

pub use outcome::{BatchError, IntoBatchOutcome};

use super::attempt::Attempt;
use super::consumer::Exit;
use super::context::{BatchContext, DeliveryContext};
use super::endpoint::{AcknowledgeMode, InvokeBatch};
use super::handling::Handling;
use super::invoke::Call;
use super::observe::Observed;
use super::outcome::Outcome;
use super::outgoing;
use super::plan::{BatchPlan, ListenerPlan};
use super::reply;
use super::settle::Due;
use super::work::{Event, Work};
use outcome::{Verdict, verdicts};

/// A consumer at work, batch by batch.
pub(super) struct BatchLoop<'s> {
    handling: &'s Handling,
    plan: &'s ListenerPlan,
    invoke: InvokeBatch,
    batch: BatchContext,
    /// Taken over from the broker, not yet handled.
    received: VecDeque<Delivery>,
    /// Runs while a batch waits to become full.
    timer: Option<Sleep>,
    work: Work<'s>,
}

impl<'s> BatchLoop<'s> {
    pub(super) fn new(
        handling: &'s Handling,
        invoke: InvokeBatch,
        context: DeliveryContext,
        work: Work<'s>,
    ) -> Self {
        let batch = BatchContext::new(context);
        let plan = &*handling.plan;
        Self { handling, plan, invoke, batch, received: VecDeque::new(), timer: None, work }
    }

    /// Works until it is told to stop or the consumer is lost; then closes the channel, which
    /// requeues what is not settled.
    pub(super) async fn run(mut self) -> Exit {
        loop {
            if let Err(exit) = self.step().await {
                self.work.close(&self.plan.id).await;
                return exit;
            }
        }
    }

    fn size(&self) -> usize {
        self.plan.batch.map_or(1, |batch| usize::from(batch.size.max(1)))
    }

    async fn step(&mut self) -> Result<(), Exit> {
        if self.work.stop.is_raised() {
            self.work.heed_stop_between(self.received.len()).await?;
        }
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
            self.timer = Some(self.work.settler.clock().sleep(timeout));
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
        if !self.work.settler.channel().is_open() {
            // All of them come again.
            self.received.clear();
            return Ok(());
        }
        self.work.behind = self.received.len();
        let count = self.received.len().min(self.size());
        self.received.drain(..count).for_each(|delivery| self.batch.push(delivery));
        // All of them are looked at, or none. What is left of them at the end is abandoned.
        let observed: Vec<_> =
            self.batch.messages().iter().filter_map(Observed::delivered).collect();
        for (index, context) in self.batch.messages().iter().enumerate() {
            if let Some(outcome) = self.handling.process(context) {
                self.batch.set_aside(index, outcome);
            }
        }
        let first = self.batch.messages().first().map(|context| context.delivery().delivery_tag);
        self.work.slow.takes(first.unwrap_or_default());
        let outcome = self.attempt().await?;
        let verdicts = verdicts(count, outcome, self.batch.take_verdicts());
        let mut again = Vec::new();
        let mut observed = observed.into_iter();
        for (context, verdict) in self.batch.messages().iter().zip(verdicts) {
            let observed = observed.next();
            match verdict {
                Verdict::Settle(outcome) => {
                    if let Some(observed) = observed {
                        observed.handled(context, &outcome);
                    }
                    self.work.conclude(context, self.plan, outcome).await?;
                }
                Verdict::Again if self.plan.acknowledge == AcknowledgeMode::Manual => {
                    // Its tag is the handler's, who may have settled it.
                    self.work.conclude(context, self.plan, Outcome::Requeue).await?;
                }
                // The handler has settled it.
                Verdict::Again if !self.work.claim(context) => {}
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

impl BatchLoop<'_> {
    /// Calls the handler.
    async fn attempt(&mut self) -> Result<Outcome, Exit> {
        let (timeout, clock) = (self.plan.failure.timeout, self.work.settler.clock());
        let call = Call::begin(|| (self.invoke)(&self.batch));
        let mut attempt = Attempt::bounded(call, timeout, clock);
        match poll_fn(|cx| Poll::Ready(attempt.poll(cx))).await {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => self.work.until_done(&mut attempt).await,
        }
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
        if outgoing::is_to_send(context, &outcome) {
            outcome = self.send_outgoing(context, outcome).await?;
        }
        if reply::is_answer(context, plan, &outcome) {
            outcome = self.answer(context, plan, outcome).await?;
        }
        if self.settle_at_once(context, plan, &outcome) {
            return Ok(());
        }
        self.settle(context, plan, outcome).await
    }
}
