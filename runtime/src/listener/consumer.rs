//! One consumer at work: receives, calls the handler, settles.
//!
//! Deliveries are taken over in batches and handled one after the other; concurrency is several
//! consumers. What is done is acknowledged with as few acks as possible, and never later than the
//! consumer waits for anything.

mod waiting;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use springhare_amqp::ShortString;
use springhare_broker::{Clock, ConsumerEnd, Delivery, Sleep};

use super::attempt::Attempt;
use super::batch::BatchLoop;
use super::circuit::Admission;
use super::connection::Opened;
use super::container::{Container, Selection};
use super::context::DeliveryContext;
use super::endpoint::{AcknowledgeMode, Invocation, Invoke};
use super::failure::FailurePolicy;
use super::handling::Handling;
use super::idle::{Idleness, Working};
use super::observe::Observed;
use super::outcome::Outcome;
use super::outgoing;
use super::partition::PartitionLoop;
use super::plan::ListenerPlan;
use super::reply;
use super::scaling::Load;
use super::settle::{Due, Settler};
use super::stop_signal::{StopPhase, StopSignal};
use crate::channel::{Channel, SettleError};
use crate::connection::LinkConsumer;
use waiting::{Waiting, all_of};

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

/// What a consumer tends to beside the handler, and while that waits.
pub(crate) struct Work<'s> {
    pub(super) settler: Settler,
    pub(super) failure: FailurePolicy<'s>,
    pub(super) stop: &'s StopSignal,
    pub(super) link: Box<dyn LinkConsumer>,
    pub(super) load: &'s Load,
    /// Since when nothing came, where somebody asks; and that it has messages in hand.
    idleness: Option<&'s Idleness>,
    working: Option<Working<'s>>,
    /// What had come while a handler was in hand and the stop began.
    pub(super) late: VecDeque<Delivery>,
    /// How many messages are in hand, and behind those.
    pub(super) behind: usize,
    draining: bool,
    /// The broker has forgotten what it has delivered: nothing can be given back.
    no_ack: bool,
}

/// What a consumer waits for.
pub(super) enum Event {
    Received,
    Ended,
    PauseEnded,
    /// The time that was waited for is up.
    TimeUp,
    Stop,
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
    let settler = Settler::new(channel, clock, container.common().prefetch);
    let late = VecDeque::new();
    let no_ack = container.common().acknowledge == AcknowledgeMode::None;
    let work = Work {
        settler,
        failure,
        link,
        stop,
        load,
        idleness: container.idleness(),
        working: None,
        late,
        behind: 0,
        draining: false,
        no_ack,
    };
    load.works();
    let selection = container.selection(queue);
    let exit = match (selection.first().plan.endpoint.invoke, container.common().partition) {
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
    load.waits();
    load.holds(0);
    exit
}

impl ConsumerLoop<'_> {
    async fn run(mut self) -> Exit {
        loop {
            if let Err(exit) = self.step().await {
                self.work.close(&self.container.name).await;
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
            if !self.work.no_ack {
                return Err(self.work.leave().await?);
            }
            self.work.behind = self.received.len();
            self.work.drain().await?;
        }
        if self.work.settler.has_due() {
            self.work.settler.requeue_due().await?;
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
        let mut outcome = self.outcome_of(handling).await?;
        if let Some(observed) = observed {
            observed.handled(&self.context, &outcome);
        }
        if let Some(circuit) = self.container.circuit() {
            self.work.tell(circuit, plan, &outcome);
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

impl Work<'_> {
    /// Takes over what has come meanwhile, if anything has.
    pub(super) async fn take_more(&mut self, received: &mut VecDeque<Delivery>) -> bool {
        if !self.late.is_empty() {
            received.append(&mut self.late);
            return true;
        }
        let taken = poll_fn(|cx| {
            let taken = self.link.poll_recv_many(cx, received, RECEIVE_MAX);
            Poll::Ready(matches!(taken, Poll::Ready(1..)))
        })
        .await;
        if taken {
            self.has_work();
        }
        taken
    }

    /// It has messages in hand, for who asks.
    pub(super) fn has_work(&mut self) {
        if let Some(idleness) = self.idleness {
            self.working.get_or_insert_with(|| idleness.works());
        }
    }

    /// It has none any more.
    pub(super) fn has_no_work(&mut self) {
        self.working = None;
    }

    /// Waits for deliveries, the end of a pause, a stop, and the end of a time.
    pub(super) async fn next(
        &mut self,
        received: &mut VecDeque<Delivery>,
        mut time: Option<&mut Sleep>,
    ) -> Event {
        self.load.waits();
        self.has_no_work();
        let event = poll_fn(|cx| {
            if let Poll::Ready(count) = self.link.poll_recv_many(cx, received, RECEIVE_MAX) {
                return Poll::Ready(if count == 0 { Event::Ended } else { Event::Received });
            }
            self.settler.idle();
            if self.settler.poll_pause(cx).is_ready() {
                return Poll::Ready(Event::PauseEnded);
            }
            if time.as_mut().is_some_and(|time| Pin::new(&mut **time).poll(cx).is_ready()) {
                return Poll::Ready(Event::TimeUp);
            }
            self.poll_stop(cx.waker()).map(|()| Event::Stop)
        })
        .await;
        self.load.works();
        if let Event::Received = event {
            self.has_work();
        }
        event
    }

    /// Acknowledges what is done, and closes the channel, which requeues what is not settled.
    pub(super) async fn close(&mut self, listener: &str) {
        if !self.settler.channel().is_open() {
            return;
        }
        if let Err(error) = self.settler.flush().await {
            tracing::debug!(listener, %error, "what was done could not be acknowledged");
        }
        if let Err(error) = self.settler.channel().link().close().await {
            tracing::debug!(listener, %error, "a channel could not be closed");
        }
    }

    /// Sends what a handler has put into its outbox, and tends to the rest if that takes a while.
    pub(super) async fn send_outgoing(
        &mut self,
        context: &DeliveryContext,
        outcome: Outcome,
    ) -> Result<Outcome, Exit> {
        self.carry_on(Box::pin(outgoing::send(context, outcome))).await
    }

    /// Sends a handler's reply, and tends to the rest if that takes a while.
    pub(super) async fn answer(
        &mut self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        outcome: Outcome,
    ) -> Result<Outcome, Exit> {
        self.carry_on(Box::pin(reply::answer(context, plan, outcome))).await
    }

    /// Does what is to be done for a handler that has returned, and tends to the rest if that takes
    /// a while.
    async fn carry_on(&mut self, sending: Invocation<'_>) -> Result<Outcome, Exit> {
        let mut sending = Attempt::of(sending);
        match poll_fn(|cx| Poll::Ready(sending.poll(cx))).await {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => self.until_done(&mut sending).await,
        }
    }

    /// Carries a handler on that waits. Failed messages go on meanwhile, and a stop is heeded.
    pub(super) async fn until_done(&mut self, attempt: &mut Attempt<'_>) -> Result<Outcome, Exit> {
        self.settler.idle();
        let mut waiting = Waiting::new(attempt);
        waiting.beside(self.settler.flush()).await?;
        loop {
            let event = poll_fn(|cx| {
                if waiting.poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                if self.settler.poll_pause(cx).is_ready() {
                    return Poll::Ready(Some(Event::PauseEnded));
                }
                self.poll_stop(cx.waker()).map(|()| Some(Event::Stop))
            })
            .await;
            match event {
                Some(Event::PauseEnded) => waiting.beside(self.settler.requeue_due()).await?,
                Some(_) => waiting.beside(self.heed_stop()).await?,
                None => {}
            }
            if let Some(outcome) = waiting.outcome {
                return Ok(outcome);
            }
        }
    }

    /// Ready when there is a stop to heed.
    pub(super) fn poll_stop(&self, waker: &Waker) -> Poll<()> {
        match self.stop.watch(waker) {
            StopPhase::Running => Poll::Pending,
            StopPhase::Draining | StopPhase::Returning if self.draining => Poll::Pending,
            StopPhase::Draining | StopPhase::Returning | StopPhase::Forced => Poll::Ready(()),
        }
    }

    /// How far it is to stop. What it can't hand back is to be handled.
    pub(super) fn phase(&self) -> StopPhase {
        match self.stop.phase() {
            StopPhase::Returning if self.no_ack => StopPhase::Draining,
            phase => phase,
        }
    }

    /// Begins to drain, or ends, if that is asked for.
    pub(super) async fn heed_stop(&mut self) -> Result<(), Exit> {
        match self.stop.phase() {
            StopPhase::Running => Ok(()),
            StopPhase::Forced => Err(Exit::Stopped),
            StopPhase::Draining | StopPhase::Returning => self.drain().await,
        }
    }

    /// Takes nothing more from the broker, if it does not drain already.
    async fn drain(&mut self) -> Result<(), Exit> {
        if self.draining {
            return Ok(());
        }
        self.draining = true;
        let tag: ShortString = self.link.tag().clone();
        if let Err(error) = self.settler.channel().link().basic_cancel(&tag).await {
            return Err(Exit::Lost(error.to_string()));
        }
        // All that will ever come has come: what is held can be counted.
        let Self { link, late, .. } = self;
        let more = |cx: &mut Context<'_>| link.poll_recv_many(cx, late, RECEIVE_MAX);
        poll_fn(all_of(more)).await;
        self.load.holds(self.behind + self.late.len());
        Ok(self.settler.requeue_paused().await?)
    }

    /// Heeds a stop when no message is in hand, and so many are behind it.
    pub(super) async fn heed_stop_between(&mut self, behind: usize) -> Result<(), Exit> {
        self.behind = behind;
        if self.phase() == StopPhase::Returning {
            return Err(self.hand_back().await?);
        }
        self.heed_stop().await?;
        self.load.holds(behind + self.late.len());
        Ok(())
    }

    /// Settles what is done and has failed. The channel is closed after that, which gives back
    /// what was not handled.
    async fn hand_back(&mut self) -> Result<Exit, Exit> {
        self.settler.flush().await?;
        self.settler.requeue_paused().await?;
        Ok(Exit::Stopped)
    }

    /// Whether what it holds will come again, to this consumer or another.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.link.end(), Some(ConsumerEnd::Closed(_)))
            || self.settler.channel().link().close_reason().is_some()
    }

    pub(super) fn consumer_tag(&self) -> ShortString {
        self.link.tag().clone()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Nothing will come any more.
    pub(super) async fn end(&mut self) -> Result<Exit, Exit> {
        match self.link.end() {
            _ if self.draining => {
                self.settler.requeue_paused().await?;
                // Who drains though nobody stops it has a circuit that is open.
                Ok(if self.stop.is_raised() { Exit::Stopped } else { Exit::Circuit })
            }
            Some(ConsumerEnd::CancelledByBroker) => {
                self.settler.requeue_paused().await?;
                Ok(Exit::Cancelled)
            }
            Some(ConsumerEnd::Closed(error)) => Ok(Exit::Lost(error.to_string())),
            Some(_) | None => Ok(Exit::Lost("its consumer ended".to_owned())),
        }
    }
}
