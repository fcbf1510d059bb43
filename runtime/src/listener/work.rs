//! What a consumer tends to, whichever of its loops is at work: its deliveries, its settlements, its
//! stop, and all of them beside a handler that waits.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use springhare_amqp::ShortString;
use springhare_broker::{ConsumerEnd, Delivery, Multiple, Sleep};
use tokio::task::coop;

use super::attempt::Attempt;
use super::consumer::{Exit, RECEIVE_MAX};
use super::context::DeliveryContext;
use super::endpoint::AcknowledgeMode;
use super::failure::FailurePolicy;
use super::idle::{Idleness, Working};
use super::invoke::InPlace;
use super::outcome::Outcome;
use super::outgoing;
use super::plan::ListenerPlan;
use super::reply;
use super::scaling::Load;
use super::settle::Settler;
use super::slow::SlowHandlers;
use super::stop_signal::{StopPhase, StopSignal};
use crate::channel::Verdict;
use crate::connection::{LinkConsumer, LinkError};

/// How long a consumer that ends waits for delivery tags that handlers have moved elsewhere. A part of
/// [`STOP_DEADLINE`](crate::STOP_DEADLINE), which other listeners have to end in, too.
const TAGS_WAIT_MAX: Duration = Duration::from_secs(1);

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
    /// Who settles its deliveries.
    acknowledge: AcknowledgeMode,
    /// What its handlers have in hand.
    pub(super) slow: SlowHandlers,
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

impl<'s> Work<'s> {
    /// Of a consumer that has nothing in hand.
    pub(super) fn new(
        settler: Settler,
        failure: FailurePolicy<'s>,
        (acknowledge, slow): (AcknowledgeMode, SlowHandlers),
        link: Box<dyn LinkConsumer>,
        (stop, load): (&'s StopSignal, &'s Load),
        idleness: Option<&'s Idleness>,
    ) -> Self {
        Self {
            settler,
            failure,
            stop,
            link,
            load,
            idleness,
            working: None,
            late: VecDeque::new(),
            behind: 0,
            draining: false,
            acknowledge,
            slow,
        }
    }

    /// While a handler waits: tells of it if that takes too long.
    pub(super) fn look_at_slow(&mut self, cx: &mut Context<'_>) {
        self.slow.look(cx, self.settler.clock());
    }
}

impl Work<'_> {
    /// Whether the broker has forgotten what it has delivered: nothing can be given back.
    pub(super) fn is_no_ack(&self) -> bool {
        self.acknowledge == AcknowledgeMode::None
    }

    /// Whether its handlers settle its messages.
    pub(super) fn is_manual(&self) -> bool {
        self.acknowledge == AcknowledgeMode::Manual
    }

    /// Whether what is in hand comes again when its channel is lost: the broker still has it.
    pub(super) fn comes_again(&self) -> bool {
        self.acknowledge.comes_again()
    }

    /// Whether a message is acknowledged before its handler is called.
    pub(super) fn acknowledges_first(&self) -> bool {
        self.acknowledge == AcknowledgeMode::First
    }

    /// Acknowledges a message that is about to be handled, and waits until the broker has done so:
    /// whatever comes of it, it does not come again. Where that is not known, it is not handled.
    pub(super) async fn acknowledge_first(
        &mut self,
        listener: &str,
        delivery_tag: u64,
    ) -> Result<(), Exit> {
        self.settler.settle(delivery_tag, Verdict::Ack(Multiple::One)).await?;
        let stop = self.stop;
        let exit = match stop.unless_forced(self.settler.answered()).await {
            Some(Ok(())) => return Ok(()),
            Some(Err(error)) => Exit::Lost(error.to_string()),
            None => Exit::Stopped,
        };
        tracing::error!(
            listener,
            delivery_tag,
            ?exit,
            "a message was acknowledged before its handler is called (`ack = \"first\"`), and \
             whether the broker knows of it is not known: the handler is not called unless it comes \
             again"
        );
        Err(exit)
    }

    /// The same where handlers run side by side, which go on: false if the channel is lost, which the
    /// link tells. Nothing is to be done where a message is acknowledged after its handler.
    pub(super) async fn has_acknowledged(
        &mut self,
        listener: &str,
        delivery_tag: u64,
    ) -> Result<bool, Exit> {
        if !self.acknowledges_first() {
            return Ok(true);
        }
        match self.acknowledge_first(listener, delivery_tag).await {
            Ok(()) => Ok(true),
            Err(Exit::Stopped) => Err(Exit::Stopped),
            Err(_) => Ok(false),
        }
    }

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
        if received.is_empty() {
            self.has_no_work();
        }
        let event = poll_fn(|cx| {
            if let Poll::Ready(count) = self.link.poll_recv_many(cx, received, RECEIVE_MAX) {
                return Poll::Ready(if count == 0 { Event::Ended } else { Event::Received });
            }
            self.load.waits(self.settler.clock());
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
        self.load.works(self.settler.clock());
        if let Event::Received = event {
            self.has_work();
        }
        event
    }

    /// Acknowledges what is done, and closes the channel, which requeues what is not settled.
    pub(super) async fn close(&mut self, listener: &str, exit: &Exit) {
        if !self.settler.channel().is_open() {
            return;
        }
        if let Err(error) = self.settler.flush().await {
            tracing::debug!(listener, %error, "what was done could not be acknowledged");
        }
        if self.is_manual() {
            match exit {
                Exit::Stopped => {
                    // For what is settled meanwhile the broker is to send no other.
                    self.cancel_once(listener).await;
                    self.tags_are_settled(listener).await;
                }
                // It is cancelled.
                Exit::Circuit => self.tags_are_settled(listener).await,
                Exit::Cancelled | Exit::Lost(_) | Exit::Panicked(_) => {}
            }
        }
        let channel = self.settler.channel().link();
        // Its broker may not answer. One that is dropped is closed, too.
        if let Some(Err(error)) = self.stop.unless_forced(channel.close()).await {
            tracing::debug!(listener, %error, "a channel could not be closed");
        }
    }

    /// Cancels the consumer, if it does not drain already.
    async fn cancel_once(&mut self, listener: &str) {
        if !self.draining
            && let Some(Err(error)) = self.cancel().await
        {
            tracing::debug!(listener, %error, "a consumer could not be cancelled");
        }
    }

    /// Waits for who has a delivery tag of the channel to settle it, within bounds.
    async fn tags_are_settled(&mut self, listener: &str) {
        let mut patience = self.settler.clock().sleep(TAGS_WAIT_MAX);
        let channel = self.settler.channel();
        let settled = poll_fn(|cx| match channel.poll_no_open_tags(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => Pin::new(&mut patience).poll(cx).map(|()| false),
        });
        if self.stop.unless_forced(settled).await != Some(true) {
            tracing::warn!(
                listener,
                "a consumer ends while delivery tags of it are not settled; their messages are \
                 requeued"
            );
        }
    }

    /// Sends what a handler has put into its outbox, and tends to the rest if that takes a while.
    pub(super) async fn send_outgoing(
        &mut self,
        context: &DeliveryContext,
        outcome: Outcome,
    ) -> Result<Outcome, Exit> {
        // Large, and most listeners have none.
        let sending = Box::pin(outgoing::send(context, outcome));
        self.carry_on(pin!(Some(sending))).await
    }

    /// Sends a handler's reply, and tends to the rest if that takes a while.
    pub(super) async fn answer(
        &mut self,
        context: &DeliveryContext,
        plan: &ListenerPlan,
        outcome: Outcome,
    ) -> Result<Outcome, Exit> {
        self.carry_on(pin!(Some(reply::answer(context, plan, outcome)))).await
    }

    /// Answers and settles one message of several.
    pub(super) async fn conclude(
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

    /// Does what is to be done for a handler that has returned, and tends to the rest if that takes
    /// a while.
    async fn carry_on(
        &mut self,
        sending: Pin<&mut Option<impl Future<Output = Outcome> + Send>>,
    ) -> Result<Outcome, Exit> {
        let mut sending = InPlace(sending);
        match poll_fn(|cx| Poll::Ready(sending.poll_caught(cx))).await {
            Poll::Ready(outcome) => Ok(outcome),
            Poll::Pending => self.until_done(&mut Attempt::of(Box::pin(sending))).await,
        }
    }

    /// Carries a handler on that waits. Failed messages go on meanwhile, and a stop is heeded.
    pub(super) async fn until_done(&mut self, attempt: &mut Attempt<'_>) -> Result<Outcome, Exit> {
        self.settler.idle();
        let mut waiting = Waiting { attempt, outcome: None };
        waiting.beside(self.settler.flush()).await?;
        loop {
            let event = poll_fn(|cx| {
                if waiting.poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                self.look_at_slow(cx);
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
            StopPhase::Returning if self.is_no_ack() => StopPhase::Draining,
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
    pub(super) async fn drain(&mut self) -> Result<(), Exit> {
        if self.draining {
            return Ok(());
        }
        self.draining = true;
        match self.cancel().await {
            Some(Ok(())) => {}
            // What is in hand is done to its end: it does not come again.
            Some(Err(error)) if !self.comes_again() => {
                tracing::debug!(%error, "a consumer that is lost could not be cancelled");
            }
            Some(Err(error)) => return Err(Exit::Lost(error.to_string())),
            // Its broker may not answer at all.
            None => return Err(Exit::Stopped),
        }
        // All that will ever come has come: what is held can be counted.
        let Self { link, late, .. } = self;
        let more = |cx: &mut Context<'_>| link.poll_recv_many(cx, late, RECEIVE_MAX);
        // The budget of this task is not the mailbox: `Pending` is to mean that nothing is there.
        coop::unconstrained(poll_fn(all_of(more))).await;
        self.load.holds(self.behind + self.late.len());
        Ok(self.settler.requeue_paused().await?)
    }

    /// Asks the broker for no more; `None` if the stop doesn't wait for its answer.
    pub(super) async fn cancel(&mut self) -> Option<Result<(), LinkError>> {
        let tag: ShortString = self.link.tag().clone();
        let cancelled = self.settler.channel().link().basic_cancel(&tag);
        Some(self.stop.unless_forced(cancelled).await?.map(drop))
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

/// Takes all that is there, without waiting.
fn all_of(
    mut more: impl FnMut(&mut Context<'_>) -> Poll<usize>,
) -> impl FnMut(&mut Context<'_>) -> Poll<()> {
    move |cx| {
        while matches!(more(cx), Poll::Ready(1..)) {}
        Poll::Ready(())
    }
}

/// A handler that waits while its consumer tends to other things.
struct Waiting<'w, 'd> {
    attempt: &'w mut Attempt<'d>,
    outcome: Option<Outcome>,
}

impl Waiting<'_, '_> {
    /// Ready once the handler is done.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.outcome.is_none()
            && let Poll::Ready(outcome) = self.attempt.poll(cx)
        {
            self.outcome = Some(outcome);
        }
        if self.outcome.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Carries both on until `work` is done. `work` alone could wait for ever: what settles on a
    /// channel goes one after the other, and the handler may be before it in that line.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            // Its outcome is looked at when the work is done.
            let _ = self.poll(cx);
            work.as_mut().poll(cx)
        })
        .await
    }
}
