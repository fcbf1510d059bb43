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
use super::panic::caught;
use super::plan::{BatchPlan, ListenerPlan};
use super::settle::Due;
use super::work::{Event, Work};
use crate::convert::parts::claimed_count;
use outcome::{Verdict, of_whole, verdicts};

/// A consumer at work, batch by batch.
pub(super) struct BatchLoop<'s> {
    handling: &'s Handling,
    plan: &'s ListenerPlan,
    invoke: InvokeBatch,
    batch: BatchContext,
    /// Taken over from the broker, not yet handled.
    received: VecDeque<Delivery>,
    /// How many of them were looked at, and the messages that those are made of.
    counted: (usize, usize),
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
        Self {
            handling,
            plan,
            invoke,
            batch,
            received: VecDeque::new(),
            counted: (0, 0),
            timer: None,
            work,
        }
    }

    /// Works until it is told to stop or the consumer is lost; then closes the channel, which
    /// requeues what is not settled.
    pub(super) async fn run(mut self) -> Exit {
        let exit = caught(self.steps()).await;
        self.work.close(&self.plan.id, &exit).await;
        exit
    }

    async fn steps(&mut self) -> Exit {
        loop {
            if let Err(exit) = self.step().await {
                return exit;
            }
        }
    }

    fn size(&self) -> usize {
        self.plan.batch.map_or(1, |batch| usize::from(batch.size.max(1)))
    }

    /// Whether as many messages are there as the handler wants.
    fn is_full(&mut self) -> bool {
        if !self.plan.de_batching {
            return self.received.len() >= self.size();
        }
        let (looked_at, messages) = self.counted;
        let new = self.received.iter().skip(looked_at);
        let new = new.map(|delivery| claimed_count(&delivery.message.message.properties));
        let messages = messages.saturating_add(new.sum());
        self.counted = (self.received.len(), messages);
        messages >= self.size()
    }

    async fn step(&mut self) -> Result<(), Exit> {
        if self.work.stop.is_raised() {
            self.work.heed_stop_between(self.received.len()).await?;
        }
        if self.work.settler.has_due() {
            self.work.settler.requeue_due().await?;
        }
        if self.is_full() {
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
            Event::Ended if !self.received.is_empty() && !self.is_lost() => self.handle().await,
            Event::Ended => Err(self.work.end().await?),
        }
    }

    /// Whether what is there will come again.
    fn is_lost(&self) -> bool {
        self.work.is_lost() && !self.work.is_no_ack()
    }

    /// Calls the handler with what is there, up to a full batch.
    async fn handle(&mut self) -> Result<(), Exit> {
        self.timer = None;
        if self.is_lost() {
            // All of them come again.
            self.received.clear();
            self.counted = (0, 0);
            return Ok(());
        }
        self.work.behind = self.received.len();
        self.counted = (0, 0);
        let observed = self.fill();
        let first =
            self.batch.deliveries().next().map(|(context, _)| context.delivery().delivery_tag);
        self.work.slow.takes(first.unwrap_or_default());
        let outcome = self.attempt().await?;
        let count = self.batch.messages().len();
        let mut verdicts = verdicts(count, outcome, self.batch.take_verdicts()).into_iter();
        let mut again = Vec::new();
        let mut observed = observed.into_iter();
        for (context, parts) in self.batch.deliveries() {
            let observed = observed.next();
            match of_whole(verdicts.by_ref().take(parts.len())) {
                Verdict::Settle(mut outcome) => {
                    for part in self.batch.messages().get(parts).unwrap_or_default() {
                        if outgoing::is_to_send(part, &outcome) {
                            outcome = self.work.send_outgoing(part, outcome).await?;
                        }
                    }
                    if let Some(observed) = observed {
                        observed.handled(context, &outcome);
                    }
                    // It may have stayed open for this batch.
                    self.work.closes(context, &outcome).await?;
                    self.work.conclude(context, self.plan, outcome).await?;
                }
                Verdict::Again if self.plan.acknowledge == AcknowledgeMode::Manual => {
                    // Its tag is the handler's, who may have settled it.
                    self.work.conclude(context, self.plan, Outcome::Requeue).await?;
                }
                // The handler has settled it.
                Verdict::Again if !self.work.claim(context) => {
                    self.work.closes(context, &Outcome::Ack).await?;
                }
                // What is done behind it must not cover it.
                Verdict::Again => {
                    self.work.settler.stays_open(context.delivery().delivery_tag);
                    again.push(context.delivery().clone());
                }
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
    /// Fills the batch with what is there, up to what the handler wants, as far as a delivery that is
    /// several messages does not go beyond it. What is observed of the deliveries is all of them or
    /// none; what is left of it at the end is abandoned.
    fn fill(&mut self) -> Vec<Observed> {
        let mut observed = Vec::new();
        let size = self.size();
        while self.batch.messages().len() < size
            && let Some(delivery) = self.received.pop_front()
        {
            self.batch.push(delivery);
            let Some((context, index)) = self.batch.messages().split_last() else { break };
            let index = index.len();
            observed.extend(Observed::delivered(context));
            if let Some(outcome) = self.handling.process(context) {
                self.batch.set_aside(index, outcome);
                continue;
            }
            if !self.handling.takes_apart(context) {
                continue;
            }
            match context.parts() {
                Ok(parts) => self.batch.take_apart_last(parts),
                Err(error) => self.batch.set_aside(index, Outcome::from_rejection(error)),
            }
        }
        observed
    }

    /// Calls the handler.
    async fn attempt(&mut self) -> Result<Outcome, Exit> {
        let (timeout, clock) = (self.plan.failure.timeout, self.work.settler.clock());
        let layers = &self.handling.middleware.batch_layers;
        let call = Call::with_batch(layers, self.invoke, &self.batch);
        let mut attempt = Attempt::bounded(call, timeout, clock);
        match poll_fn(|cx| Poll::Ready(attempt.poll(cx))).await {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => self.work.until_done(&mut attempt).await,
        }
    }
}
