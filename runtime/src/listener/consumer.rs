//! One consumer at work: receives, calls the handler, settles.
//!
//! Deliveries are taken over in batches and handled one after the other; concurrency is several
//! consumers. What is done is acknowledged with as few acks as possible, and never later than the
//! consumer waits for anything.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use springhare_amqp::ShortString;
use springhare_broker::{Clock, Delivery};

use super::attempt::Attempt;
use super::batch::BatchLoop;
use super::circuit::Admission;
use super::connection::Opened;
use super::container::{Container, Selection};
use super::context::DeliveryContext;
use super::endpoint::Invoke;
use super::failure::{FailurePolicy, Unfinished};
use super::handling::Handling;
use super::observe::Observed;
use super::outcome::Outcome;
use super::outgoing;
use super::panic::caught;
use super::partition::PartitionLoop;
use super::reply;
use super::scaling::Load;
use super::settle::{Due, Settler};
use super::slow::SlowHandlers;
use super::stop_signal::StopSignal;
use super::work::{Event, Work};
use crate::channel::{Channel, SettleError};
use crate::connection::LinkConsumer;

/// How many deliveries are taken over at a time.
pub(super) const RECEIVE_MAX: usize = 256;

/// Why a consumer's work ended.
#[derive(Debug)]
pub(crate) enum Exit {
    /// It was told to stop.
    Stopped,
    /// The broker cancelled it: its queue is gone.
    Cancelled,
    /// Its circuit has turned: it may consume nothing for a while, or more than before.
    Circuit,
    /// The channel or the connection is lost.
    Lost(String),
    /// The application's code panicked where that is no failure of a handler.
    Panicked(String),
}

impl From<SettleError> for Exit {
    fn from(error: SettleError) -> Self {
        Self::Lost(error.to_string())
    }
}

/// A consumer that the broker has started.
#[derive(Debug)]
pub(crate) struct StartedConsumer {
    /// What it was started on.
    pub(crate) connection: Opened,
    pub(crate) channel: Channel,
    pub(crate) link: Box<dyn LinkConsumer>,
    pub(crate) context: DeliveryContext,
    /// What its listener's circuit let it do.
    pub(crate) admitted: Admission,
}

/// A consumer at work.
pub(crate) struct ConsumerLoop<'s> {
    container: &'s Container,
    /// What its circuit let it do when it was started; another word ends it.
    admitted: Admission,
    selection: Selection<'s>,
    pub(super) context: DeliveryContext,
    /// Taken over from the broker, not yet handled.
    received: VecDeque<Delivery>,
    pub(super) work: Work<'s>,
}

/// Works until it is told to stop or the consumer is lost; then closes the channel, which requeues
/// what is not settled.
pub(crate) async fn run(
    container: &Container,
    queue: &ShortString,
    failure: FailurePolicy<'_>,
    started: StartedConsumer,
    clock: Clock,
    (stop, load): (&StopSignal, &Load),
) -> Exit {
    let StartedConsumer { channel, link, context, admitted, .. } = started;
    let common = container.common();
    let settler = Settler::new(channel, clock.clone(), common.prefetch);
    let timeout = container.plans().filter_map(|plan| plan.consumer_timeout).min();
    let slow = SlowHandlers::new(Arc::clone(&container.name), context.queue().clone(), timeout);
    let acknowledge = (common.acknowledge, slow);
    let work = Work::new(settler, failure, acknowledge, link, (stop, load), container.idleness());
    load.works(&clock);
    let selection = container.selection(queue);
    let exit = match (selection.first().plan.function.invoke, container.common().partition) {
        (Invoke::One(_), Some(partition)) => {
            PartitionLoop::new(container, selection, partition, context, work).run().await
        }
        (Invoke::One(_), None) => {
            let received = VecDeque::new();
            ConsumerLoop { container, admitted, selection, context, received, work }.run().await
        }
        (Invoke::Batch(invoke), _) => {
            BatchLoop::new(selection.first(), invoke, context, work).run().await
        }
    };
    load.waits(&clock);
    load.holds(0);
    exit
}

impl ConsumerLoop<'_> {
    async fn run(mut self) -> Exit {
        let exit = caught(self.steps()).await;
        self.work.close(&self.container.name, &exit).await;
        exit
    }

    async fn steps(&mut self) -> Exit {
        loop {
            if let Err(exit) = self.step().await {
                return exit;
            }
        }
    }

    async fn step(&mut self) -> Result<(), Exit> {
        if self.work.stop.is_raised() {
            self.work.heed_stop_between(self.received.len()).await?;
        }
        if let Some(circuit) = self.container.circuit()
            && !circuit.lets_go_on(self.admitted)
        {
            self.work.behind = self.received.len();
            if !self.work.is_no_ack() {
                return Err(self.work.leave(&mut self.received).await?);
            }
            self.work.drain().await?;
        }
        if self.work.settler.has_due() {
            self.work.settler.requeue_due().await?;
        }
        if self.work.is_manual() && self.work.is_lost() {
            // All of them come again. Who settles by hand may do so later, and nothing else here fails.
            self.received.clear();
        }
        if let Some(delivery) = self.received.pop_front() {
            return self.handle(delivery).await;
        }
        if self.work.take_more(&mut self.received).await {
            return Ok(());
        }
        // From here on it may wait: what is done is acknowledged first.
        self.context.clear();
        self.work.settler.flush().await?;
        match self.work.next(&mut self.received, None).await {
            Event::Received | Event::TimeUp => Ok(()),
            Event::PauseEnded => Ok(self.work.settler.requeue_due().await?),
            Event::Stop => self.work.heed_stop().await,
            Event::Ended => Err(self.work.end().await?),
        }
    }

    async fn handle(&mut self, delivery: Delivery) -> Result<(), Exit> {
        self.work.behind = self.received.len() + 1;
        self.context.deliver(delivery);
        match self.selection.of(&self.context) {
            Some(handling) => self.handle_by(handling).await?,
            None => self.work.unmatched(&self.context, self.container).await?,
        }
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

    async fn handle_by(&mut self, handling: &Handling) -> Result<(), Exit> {
        self.context.serve(&handling.served);
        let observed = Observed::delivered(&self.context);
        let plan = &*handling.plan;
        self.work.slow.takes(self.context.delivery().delivery_tag);
        if self.work.acknowledges_first() {
            let delivery_tag = self.context.delivery().delivery_tag;
            self.work.acknowledge_first(&plan.id, delivery_tag).await?;
        }
        let unfinished = Unfinished::of(plan, &self.context);
        let mut outcome = self.outcome_of(handling).await?;
        Unfinished::is_done(unfinished);
        if let Some(observed) = observed {
            observed.handled(&self.context, &outcome);
        }
        if let Some(circuit) = self.container.circuit() {
            self.work.tell((circuit, self.admitted), plan, &outcome);
        }
        let has_failed = matches!(outcome, Outcome::Failed(_));
        if reply::is_answer(&self.context, plan, &outcome) {
            outcome = self.work.answer(&self.context, plan, outcome).await?;
        }
        if !has_failed && matches!(outcome, Outcome::Failed(_)) {
            self.context.forgive();
        }
        if !self.work.settle_at_once(&self.context, plan, &outcome) {
            self.work.settle(&self.context, plan, outcome).await?;
        }
        Ok(())
    }

    /// What the handler of the delivery comes to, called as often as its listener says.
    async fn outcome_of(&mut self, handling: &Handling) -> Result<Outcome, Exit> {
        let mut outcome = if let Some(outcome) = handling.process(&self.context) {
            outcome
        } else {
            let mut attempt = Attempt::new(handling, self.work.settler.clock(), &self.context);
            // Most handlers are done at once: only one that waits costs more than a call.
            match poll_fn(|cx| Poll::Ready(attempt.poll(cx))).await {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => self.work.until_done(&mut attempt).await?,
            }
        };
        if matches!(outcome, Outcome::Failed(_)) && handling.plan.looks_after_failures() {
            outcome = Box::pin(self.after_failure(handling, outcome)).await?;
        }
        let has_failed = matches!(outcome, Outcome::Failed(_));
        if outgoing::is_to_send(&self.context, &outcome) {
            outcome = self.work.send_outgoing(&self.context, outcome).await?;
        }
        if !has_failed && matches!(outcome, Outcome::Failed(_)) {
            self.context.forgive();
        }
        Ok(outcome)
    }
}
