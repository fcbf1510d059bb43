//! The settlement side of one consumer: acks gathered into few, failed messages paced.

mod retrying;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use springhare_broker::{Clock, Multiple, QosScope, Requeue, Sleep};

use super::ack_gather::{AckGather, Covering};
use super::busy_pace::{BusyPace, Time};
use super::failure::Retry;
use super::pacing::{PAUSE_MAX, Paused};
use crate::channel::{Channel, SettleError, Verdict};
use crate::connection::LinkError;
use retrying::Retrying;

/// How many failed messages wait for their redelivery at most, where no prefetch bounds them;
/// one more is requeued at once.
const PAUSED_MAX: usize = 10_000;
/// How long a consumer that stops waits for the confirms of its retry copies. The original of one
/// that is not confirmed by then comes back too.
const CONFIRM_WAIT_MAX: Duration = Duration::from_secs(1);

/// What a consumer owes after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Acknowledge what is done.
    Flush,
    /// Acknowledge what is done, and let other tasks run.
    Breath,
}

/// What is done with a failed message once its pause has ended.
#[derive(Debug)]
enum AfterPause {
    Requeue,
    Republish(Retry),
}

/// Settles what one consumer has received.
#[derive(Debug)]
pub(crate) struct Settler {
    channel: Channel,
    clock: Clock,
    gather: AckGather,
    acks: Vec<(u64, Multiple)>,
    /// How many done messages are acknowledged at the latest: half the prefetch, so that the
    /// broker can fill the other half meanwhile.
    ack_every: usize,
    prefetch: u16,
    paused: Paused<AfterPause>,
    retrying: Retrying,
    timer: Option<(Duration, Sleep)>,
    pace: BusyPace,
}

impl Settler {
    pub(crate) fn new(channel: Channel, clock: Clock, prefetch: u16) -> Self {
        let slots = if prefetch == 0 { 256 } else { usize::from(prefetch) };
        Self {
            channel,
            clock,
            gather: AckGather::default(),
            acks: Vec::new(),
            ack_every: (slots / 2).max(1),
            prefetch,
            paused: Paused::default(),
            retrying: Retrying::default(),
            timer: None,
            pace: BusyPace::default(),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// A message is done; it is acknowledged with the next flush.
    pub(crate) fn done(&mut self, delivery_tag: u64) {
        self.gather.done(delivery_tag);
    }

    /// It was taken over, and others that came later may be done before it.
    pub(crate) fn stays_open(&mut self, delivery_tag: u64) {
        self.gather.stays_open(delivery_tag);
    }

    /// It is settled now, by itself. What is done goes first: no ack may cover this one.
    pub(crate) async fn closes(&mut self, delivery_tag: u64) -> Result<(), SettleError> {
        self.flush().await?;
        self.gather.closed(delivery_tag);
        Ok(())
    }

    /// It is done now.
    pub(crate) fn closes_at_once(&mut self, delivery_tag: u64) {
        self.gather.closed(delivery_tag);
    }

    /// Acknowledges what is done.
    pub(crate) async fn flush(&mut self) -> Result<(), SettleError> {
        if self.gather.is_empty() {
            return Ok(());
        }
        let covering = if self.channel.is_consumed_on_by_the_handler() {
            Covering::Forbidden
        } else {
            Covering::Allowed
        };
        self.acks.clear();
        self.gather.take(covering, &mut self.acks);
        for (delivery_tag, multiple) in &self.acks {
            self.channel.settle(*delivery_tag, Verdict::Ack(*multiple)).await?;
        }
        Ok(())
    }

    /// After each message: what is due by now, since enough has gathered, or enough time passed.
    pub(crate) fn after_message(&mut self) -> Due {
        if self.pace.message_done() && self.pace.look(self.clock.now()) == Time::ForABreath {
            return Due::Breath;
        }
        if self.gather.len() >= self.ack_every { Due::Flush } else { Due::Nothing }
    }

    /// The consumer waits: what comes next is a new run of work.
    pub(crate) fn idle(&mut self) {
        self.pace.idle();
    }

    /// Settles one message that is not simply done. What is done goes first, while no ack may cover this
    /// one if it stayed open.
    pub(crate) async fn settle(
        &mut self,
        delivery_tag: u64,
        verdict: Verdict,
    ) -> Result<(), SettleError> {
        self.flush().await?;
        self.gather.closed(delivery_tag);
        self.channel.settle(delivery_tag, verdict).await
    }

    /// Ready once the broker has done what was settled: AMQP answers no ack, but does one thing of
    /// a channel after the other.
    pub(crate) async fn answered(&mut self) -> Result<(), LinkError> {
        // It says nothing new: it is about consumers that are started later.
        self.channel.link().basic_qos(self.prefetch, QosScope::Consumer).await
    }

    /// Puts a failed message back to its queue after `pause`.
    pub(crate) async fn requeue_after(
        &mut self,
        delivery_tag: u64,
        pause: Duration,
    ) -> Result<(), SettleError> {
        self.pause(delivery_tag, pause, AfterPause::Requeue).await
    }

    /// Sends a copy of a failed message to its queue after `pause`, and acknowledges it when the
    /// copy is confirmed.
    pub(crate) async fn republish_after(
        &mut self,
        delivery_tag: u64,
        pause: Duration,
        retry: Retry,
    ) -> Result<(), SettleError> {
        self.pause(delivery_tag, pause, AfterPause::Republish(retry)).await
    }

    async fn pause(
        &mut self,
        delivery_tag: u64,
        pause: Duration,
        then: AfterPause,
    ) -> Result<(), SettleError> {
        let is_due = pause.is_zero() && matches!(then, AfterPause::Requeue);
        if is_due || self.paused.len() + self.retrying.len() >= PAUSED_MAX {
            return self.settle(delivery_tag, Verdict::Reject(Requeue::Yes)).await;
        }
        self.flush().await?;
        self.gather.stays_open(delivery_tag);
        self.paused.insert(delivery_tag, self.clock.now().saturating_add(pause), then);
        Ok(())
    }

    /// Ready when [`requeue_due`](Self::requeue_due) has something to do: a failed message's pause
    /// has ended, or it is known what became of a copy.
    pub(crate) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.retrying.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(due) = self.paused.next_due().filter(|_| !self.retrying.is_full()) else {
            return Poll::Pending;
        };
        let timer = match &mut self.timer {
            Some((set_for, sleep)) if *set_for == due => sleep,
            other => {
                let wait = due.saturating_sub(self.clock.now());
                &mut other.insert((due, self.clock.sleep(wait))).1
            }
        };
        ready!(Pin::new(timer).poll(cx));
        self.timer = None;
        Poll::Ready(())
    }

    /// Whether a failed message's pause has ended, without waiting for it, or a copy may be done.
    pub(crate) fn has_due(&self) -> bool {
        !self.retrying.is_empty()
            || self.paused.next_due().is_some_and(|due| due <= self.clock.now())
    }

    /// Puts the failed messages back whose pause has ended, or sends their copies, and settles
    /// the originals of the copies that are done. It waits for none of them.
    pub(crate) async fn requeue_due(&mut self) -> Result<(), SettleError> {
        let now = self.clock.now();
        while !self.retrying.is_full()
            && let Some((delivery_tag, then)) = self.paused.pop_due(now)
        {
            match then {
                // The handler has acknowledged it with a later one.
                _ if self.channel.is_covered(delivery_tag) => self.gather.closed(delivery_tag),
                AfterPause::Requeue => self.requeue(delivery_tag).await?,
                AfterPause::Republish(retry) => {
                    self.retrying.start(delivery_tag, retry.republish());
                }
            }
        }
        match poll_fn(|cx| Poll::Ready(self.retrying.poll(cx))).await {
            Poll::Ready(()) => self.settle_retried().await,
            Poll::Pending => Ok(()),
        }
    }

    /// Puts all failed messages back, whatever is left of their pauses: the consumer stops.
    /// Copies that are on their way are waited for, within bounds.
    pub(crate) async fn requeue_paused(&mut self) -> Result<(), SettleError> {
        self.timer = None;
        self.finish_retrying().await?;
        for delivery_tag in self.paused.drain() {
            self.requeue(delivery_tag).await?;
        }
        Ok(())
    }

    async fn finish_retrying(&mut self) -> Result<(), SettleError> {
        if self.retrying.is_empty() {
            return Ok(());
        }
        let mut patience = self.clock.sleep(CONFIRM_WAIT_MAX);
        while !self.retrying.is_empty() {
            let is_over = poll_fn(|cx| match self.retrying.poll(cx) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending => Pin::new(&mut patience).poll(cx).map(|()| true),
            });
            if is_over.await {
                break;
            }
            self.settle_retried().await?;
        }
        Ok(())
    }

    /// Carries something on that sends, and the copies that are on their way beside it: it may wait for a
    /// connection that one of them opens.
    pub(crate) async fn beside_copies<F: Future>(&mut self, sending: F) -> F::Output {
        let mut sending = pin!(sending);
        poll_fn(|cx| {
            let polled = sending.as_mut().poll(cx);
            if polled.is_pending() {
                // Who asks next is told which are done.
                let _ = self.retrying.poll(cx);
            }
            polled
        })
        .await
    }

    async fn settle_retried(&mut self) -> Result<(), SettleError> {
        for (delivery_tag, result) in self.retrying.take_done() {
            match result {
                Ok(retried) => {
                    self.settle(delivery_tag, retried.verdict).await?;
                    retried.settled();
                }
                Err(error) => {
                    tracing::error!(
                        delivery_tag,
                        %error,
                        "a failed message could not be sent to its queue once more; it is \
                         requeued without a count"
                    );
                    self.requeue_after(delivery_tag, PAUSE_MAX).await?;
                }
            }
        }
        Ok(())
    }

    async fn requeue(&mut self, delivery_tag: u64) -> Result<(), SettleError> {
        self.settle(delivery_tag, Verdict::Reject(Requeue::Yes)).await
    }
}
