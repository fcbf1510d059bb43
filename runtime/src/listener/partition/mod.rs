//! A consumer whose handlers run side by side, but one after the other for each key.
//!
//! Handlers are tasks; this loop alone receives and settles. A message that fails is called again
//! here after its pause, since a redelivery would come after those of its key that wait. When the
//! consumer is lost, its tasks are ended before it starts again: no key is ever handled twice at a
//! time by one consumer.

mod again;
mod key;
mod lanes;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use springhare_broker::{Clock, Delivery, Sleep};
use tokio::task::JoinSet;

pub use key::{PartitionBy, PartitionKey};

use super::attempt::Attempt;
use super::consumer::{Exit, RECEIVE_MAX};
use super::container::{Container, Selection};
use super::context::DeliveryContext;
use super::failure::{Kept, Unfinished};
use super::handling::Handling;
use super::invoke::{Call, in_place};
use super::observe::Observed;
use super::outcome::{ListenerError, Outcome};
use super::outgoing;
use super::pacing::Paused;
use super::panic::caught;
use super::plan::PartitionPlan;
use super::reply;
use super::settle::Due;
use super::stop_signal::StopPhase;
use super::work::{Event, Work};
use again::{Counts, again, failure_of};
use lanes::{LaneId, Lanes};

/// How many messages are taken over at most, where no prefetch bounds them.
const HELD_MAX: usize = 10_000;

/// A consumer at work on several messages at a time.
pub(super) struct PartitionLoop<'s> {
    container: &'s Container,
    selection: Selection<'s>,
    plan: PartitionPlan,
    /// What each delivery's context is made of.
    consumer: DeliveryContext,
    #[expect(clippy::vec_box, reason = "they go to a task and come back without being copied")]
    spare: Vec<Box<DeliveryContext>>,
    received: VecDeque<Delivery>,
    lanes: Lanes<Held>,
    tasks: JoinSet<Done>,
    /// Failed ones, until they are called again.
    resting: Paused<(LaneId, Held)>,
    timer: Option<(Duration, Sleep)>,
    /// Nothing will come any more.
    has_ended: bool,
    work: Work<'s>,
}

/// A delivery that is not settled.
struct Held {
    context: Box<DeliveryContext>,
    handling: Arc<Handling>,
    /// Its number among those in hand.
    hand: usize,
    /// Whether its handler was called before.
    has_begun: bool,
    /// What it failed with last, where its message does not come again.
    error: Option<ListenerError>,
}

/// A handler has returned.
struct Done {
    lane: LaneId,
    held: Held,
    outcome: Outcome,
    /// Its handler has returned a reply, and that was sent or can't be: the caller is told nothing else.
    is_answered: bool,
}

/// What the loop waits for.
enum Happened {
    Done(Done),
    Of(Event),
    Broken,
}

impl<'s> PartitionLoop<'s> {
    pub(super) fn new(
        container: &'s Container,
        selection: Selection<'s>,
        plan: PartitionPlan,
        consumer: DeliveryContext,
        work: Work<'s>,
    ) -> Self {
        Self {
            container,
            selection,
            plan,
            consumer,
            spare: Vec::new(),
            received: VecDeque::new(),
            lanes: Lanes::default(),
            tasks: JoinSet::new(),
            resting: Paused::default(),
            timer: None,
            has_ended: false,
            work,
        }
    }

    /// Works until it is told to stop or the consumer is lost; ends what is in hand then, and
    /// closes the channel, which requeues what is not settled.
    pub(super) async fn run(mut self) -> Exit {
        let exit = caught(self.steps()).await;
        self.tasks.shutdown().await;
        self.end_begun().await;
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
            self.heed_stop().await?;
        }
        if self.work.settler.has_due() {
            self.work.settler.requeue_due().await?;
        }
        self.wake_resting();
        self.begin_ready().await?;
        match self.happened().await? {
            Happened::Done(done) => self.done(done).await,
            Happened::Of(Event::Received) => {
                self.work.has_work();
                self.take_over().await
            }
            Happened::Of(Event::PauseEnded) => Ok(self.work.settler.requeue_due().await?),
            Happened::Of(Event::TimeUp | Event::Stop) => Ok(()),
            Happened::Of(Event::Ended) if self.work.is_lost() && self.work.comes_again() => {
                Err(self.work.end().await?)
            }
            Happened::Of(Event::Ended) => {
                self.has_ended = true;
                if self.work.is_lost() && !self.work.is_no_ack() {
                    // What has begun is done to its end; the rest comes again.
                    self.end_begun().await;
                    self.received.clear();
                    self.lanes.take_if(|_| true);
                }
                if self.held() > 0 { Ok(()) } else { Err(self.work.end().await?) }
            }
            Happened::Broken => Err(Exit::Lost("a handler's task was ended".to_owned())),
        }
    }

    fn held(&self) -> usize {
        self.received.len() + self.lanes.waiting() + self.tasks.len() + self.resting.len()
    }

    async fn heed_stop(&mut self) -> Result<(), Exit> {
        self.work.behind = self.held();
        if self.work.phase() == StopPhase::Returning && self.tasks.is_empty() {
            return self.work.heed_stop_between(self.held()).await;
        }
        self.work.heed_stop().await?;
        self.received.append(&mut self.work.late);
        self.work.load.holds(self.held());
        if self.work.phase() == StopPhase::Draining {
            self.take_over().await?;
            let resting: Vec<_> = self.resting.take_all().collect();
            for (_, (lane, mut held)) in resting {
                let again = held.error.take().unwrap_or_else(|| {
                    ListenerError::msg("its listener stops before it was called again")
                });
                self.hand_back(lane, held, again).await?;
            }
        }
        Ok(())
    }

    /// Sorts what has come into its lanes.
    async fn take_over(&mut self) -> Result<(), Exit> {
        while let Some(delivery) = self.received.pop_front() {
            let delivery_tag = delivery.delivery_tag;
            let spare = self.spare.pop();
            let mut context = spare.unwrap_or_else(|| Box::new(self.consumer.sibling()));
            context.deliver(delivery);
            self.work.settler.stays_open(delivery_tag);
            let Some(handling) = self.selection.of(&context) else {
                self.work.settler.closes(delivery_tag).await?;
                self.work.unmatched(&context, self.container).await?;
                continue;
            };
            context.serve(&handling.served);
            // The user's function may panic; what it leaves half done is its own.
            match catch_unwind(AssertUnwindSafe(|| self.plan.by.key(&context))) {
                Ok(key) => {
                    let handling = Arc::clone(handling);
                    self.lanes.push(
                        key,
                        Held { context, handling, hand: 0, has_begun: false, error: None },
                    );
                }
                Err(_) => {
                    let error = ListenerError::fatal("the function of `partition_by` panicked");
                    self.work.settler.closes(delivery_tag).await?;
                    if !self.work.has_acknowledged(&handling.plan.id, delivery_tag).await? {
                        continue;
                    }
                    let outcome = Outcome::Failed(error);
                    self.work.conclude(&context, &handling.plan, outcome).await?;
                }
            }
        }
        Ok(())
    }

    /// Lets those begin that wait for nobody, as many as there may be.
    async fn begin_ready(&mut self) -> Result<(), Exit> {
        while self.work.phase() < StopPhase::Returning
            && self.tasks.len() < usize::from(self.plan.handlers)
            && let Some((lane, mut held)) = self.lanes.pop()
        {
            held.hand = self.work.slow.begins(held.context.delivery().delivery_tag);
            if self.work.acknowledges_first() && !held.has_begun {
                let delivery_tag = held.context.delivery().delivery_tag;
                self.work.settler.closes_at_once(delivery_tag);
                let id = &held.handling.plan.id;
                let acknowledged = self.work.has_acknowledged(id, delivery_tag).await;
                if !matches!(acknowledged, Ok(true)) {
                    self.work.slow.ends(held.hand);
                    self.lanes.free(lane);
                    acknowledged?;
                    continue;
                }
            }
            self.tasks.spawn(handle(lane, held, self.work.settler.clock().clone()));
        }
        Ok(())
    }

    /// Lets those that rested long enough be called again.
    fn wake_resting(&mut self) {
        let now = self.work.settler.clock().now();
        while let Some((_, (lane, held))) = self.resting.pop_due(now) {
            self.lanes.put_back(lane, held);
        }
    }

    /// Waits for what is next. What is done is acknowledged before it waits.
    async fn happened(&mut self) -> Result<Happened, Exit> {
        if self.has_ended && self.held() == 0 {
            return Ok(Happened::Of(Event::Ended));
        }
        if let Poll::Ready(happened) = poll_fn(|cx| Poll::Ready(self.poll(cx))).await {
            return Ok(happened);
        }
        self.work.settler.flush().await?;
        self.work.settler.idle();
        if self.held() == 0 {
            self.work.has_no_work();
        }
        Ok(poll_fn(|cx| self.poll(cx)).await)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        match self.tasks.poll_join_next(cx) {
            Poll::Ready(Some(Ok(done))) => return Poll::Ready(Happened::Done(done)),
            Poll::Ready(Some(Err(_))) => return Poll::Ready(Happened::Broken),
            Poll::Ready(None) | Poll::Pending => {}
        }
        if !self.tasks.is_empty() {
            self.work.look_at_slow(cx);
        }
        if !self.has_ended && self.held() < HELD_MAX {
            let Self { work, received, .. } = self;
            if let Poll::Ready(count) = work.link.poll_recv_many(cx, received, RECEIVE_MAX) {
                let event = if count == 0 { Event::Ended } else { Event::Received };
                return Poll::Ready(Happened::Of(event));
            }
        }
        if self.work.settler.poll_pause(cx).is_ready() {
            return Poll::Ready(Happened::Of(Event::PauseEnded));
        }
        if self.poll_resting(cx).is_ready() {
            return Poll::Ready(Happened::Of(Event::TimeUp));
        }
        self.work.poll_stop(cx.waker()).map(|()| Happened::Of(Event::Stop))
    }

    fn poll_resting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.resting.next_due() else { return Poll::Pending };
        let clock = self.work.settler.clock();
        let timer = match &mut self.timer {
            Some((set_for, sleep)) if *set_for == due => sleep,
            other => &mut other.insert((due, clock.sleep(due.saturating_sub(clock.now())))).1,
        };
        Pin::new(timer).poll(cx)
    }

    /// Settles a message whose handler has returned, or has it called again.
    async fn done(
        &mut self,
        Done { lane, mut held, mut outcome, is_answered }: Done,
    ) -> Result<(), Exit> {
        self.work.slow.ends(held.hand);
        let plan = Arc::clone(&held.handling.plan);
        let mut next = again(&held, &outcome);
        // A caller hears of a failure where another delivery would be next, and not before.
        let is_call = next.is_some_and(|(_, counts)| counts == Counts::AsCall);
        let mut is_claimed = is_call && self.work.claim(&held.context);
        if !is_claimed && !is_answered && reply::is_answer(&held.context, &plan, &outcome) {
            outcome = self.work.answer(&held.context, &plan, outcome).await?;
            next = again(&held, &outcome);
        }
        if let Some(next) = next {
            is_claimed = is_claimed || self.work.claim(&held.context);
            if is_claimed {
                return self.rest(lane, held, failure_of(&outcome), next).await;
            }
        }
        // One that is acknowledged first is closed since it began.
        if !self.work.acknowledges_first() {
            self.work.closes(&held.context, &outcome).await?;
        }
        if !self.work.settle_at_once(&held.context, &plan, &outcome) {
            self.work.settle(&held.context, &plan, outcome).await?;
        }
        self.lanes.free(lane);
        held.context.clear();
        self.spare.push(held.context);
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

    /// Has a message called again after its pause, or gives it back if the consumer stops.
    async fn rest(
        &mut self,
        lane: LaneId,
        mut held: Held,
        error: ListenerError,
        (pause, counts): (Duration, Counts),
    ) -> Result<(), Exit> {
        held.context.renew();
        let is_cut_short = self.work.acknowledges_first() && self.work.is_lost();
        if self.work.stop.is_raised() || is_cut_short {
            self.work.heed_stop().await?;
            if self.work.phase() == StopPhase::Draining {
                // Those of its key that came meanwhile are behind it, too.
                self.received.append(&mut self.work.late);
                self.take_over().await?;
            }
            return self.hand_back(lane, held, error).await;
        }
        tracing::warn!(
            listener = &*held.handling.plan.id,
            queue = &**held.context.queue(),
            attempt = held.context.failures().attempts(),
            error = error.report(),
            next_call_in = ?pause,
            "a handler failed and is called again; those of the same key wait"
        );
        if counts == Counts::AsDelivery {
            held.context.fail_here();
        }
        held.error = self.work.acknowledges_first().then_some(error);
        let due = self.work.settler.clock().now().saturating_add(pause);
        self.resting.insert(held.context.delivery().delivery_tag, due, (lane, held));
        Ok(())
    }

    /// Gives a failed message back to its queue, and with it those that wait behind it: the
    /// consumer stops, and whoever has them next is to see them in order.
    async fn hand_back(
        &mut self,
        lane: LaneId,
        held: Held,
        error: ListenerError,
    ) -> Result<(), Exit> {
        let behind = self.lanes.close(lane);
        // The stop has come between, and nothing is decided; in a stream there is no way back, nor is
        // there for what was acknowledged.
        let failed = match self.work.failure.kept {
            Kept::UntilSettled if !self.work.acknowledges_first() => Outcome::Requeue,
            Kept::UntilSettled | Kept::InStream => Outcome::Failed(error),
        };
        let outcomes = std::iter::once(failed).chain(std::iter::repeat_with(|| Outcome::Requeue));
        for (held, outcome) in std::iter::once(held).chain(behind).zip(outcomes) {
            if self.work.acknowledges_first() {
                // What has begun does not come again; the rest goes back with the channel.
                if held.has_begun {
                    self.work.conclude(&held.context, &held.handling.plan, outcome).await?;
                }
                continue;
            }
            self.work.settler.closes(held.context.delivery().delivery_tag).await?;
            self.work.settle(&held.context, &held.handling.plan, outcome).await?;
        }
        Ok(())
    }

    /// Ends those as failed that were acknowledged when they began and are not called again: their
    /// consumer ends.
    async fn end_begun(&mut self) {
        if !self.work.acknowledges_first() {
            return;
        }
        let mut begun: Vec<Held> = self.resting.take_all().map(|(_, (_, held))| held).collect();
        begun.extend(self.lanes.take_if(|held| held.has_begun));
        for mut held in begun {
            let Some(error) = held.error.take() else { continue };
            let outcome = Outcome::Failed(error);
            // The failure is in the log whatever this comes to.
            let concluded = self.work.conclude(&held.context, &held.handling.plan, outcome).await;
            if let Err(exit) = concluded {
                tracing::debug!(listener = &*held.handling.plan.id, ?exit, "a consumer ends");
            }
        }
    }
}

/// Calls the handler with one message, and answers if it has returned a reply.
async fn handle(lane: LaneId, mut held: Held, clock: Clock) -> Done {
    // The message is processed once, however often the handler is called with it.
    let is_first = !std::mem::replace(&mut held.has_begun, true);
    let Held { context, handling, .. } = &held;
    let plan = &*handling.plan;
    let unfinished = Unfinished::of(plan, context);
    // The task may be ended before the handler is done.
    let observed = Observed::delivered(context);
    let mut outcome = if let Some(outcome) = is_first.then(|| handling.process(context)).flatten() {
        outcome
    } else {
        let mut attempt = Attempt::new(handling, &clock, context);
        poll_fn(|cx| attempt.poll(cx)).await
    };
    if let (Some(handler), Outcome::Failed(_)) = (plan.function.error_handler, &outcome)
        && let Outcome::Failed(error) = std::mem::replace(&mut outcome, Outcome::Ack)
    {
        outgoing::discard(context);
        let call = Call::begin(|| handler(context, error));
        let mut attempt = Attempt::bounded(call, plan.failure.timeout, &clock);
        outcome = poll_fn(|cx| attempt.poll(cx)).await;
    }
    let has_failed = matches!(outcome, Outcome::Failed(_));
    if outgoing::is_to_send(context, &outcome) {
        outcome = in_place(outgoing::send(context, outcome)).await;
    }
    if let Some(observed) = observed {
        observed.handled(context, &outcome);
    }
    let is_answered = matches!(outcome, Outcome::Reply(_));
    if is_answered {
        outcome = in_place(reply::answer(context, plan, outcome)).await;
    }
    Unfinished::is_done(unfinished);
    let is_unsent = !has_failed && matches!(outcome, Outcome::Failed(_));
    // What does not come again has its calls alone.
    if is_unsent && plan.acknowledge.comes_again() {
        held.context.forgive();
    }
    Done { lane, held, outcome, is_answered }
}
