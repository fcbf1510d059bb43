//! The settlement side of one consumer: acks gathered into few, failed messages paced.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use springhare_broker::{Clock, Multiple, Requeue, Sleep};

use super::ack_gather::{AckGather, Covering};
use super::busy_pace::{BusyPace, Time};
use super::pacing::Paused;
use crate::channel::{Channel, SettleError, Verdict};

/// How many failed messages wait for their redelivery at most, where no prefetch bounds them;
/// one more is requeued at once.
const PAUSED_MAX: usize = 10_000;

/// What a consumer owes after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Acknowledge what is done.
    Flush,
    /// Acknowledge what is done, and let other tasks run.
    Breath,
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
    paused: Paused,
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
            paused: Paused::default(),
            timer: None,
            pace: BusyPace::default(),
        }
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// A message is done; it is acknowledged with the next flush.
    pub(crate) fn done(&mut self, delivery_tag: u64) {
        self.gather.done(delivery_tag);
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

    /// Settles one message that is not simply done; what was done before it goes first.
    pub(crate) async fn settle(
        &mut self,
        delivery_tag: u64,
        verdict: Verdict,
    ) -> Result<(), SettleError> {
        self.flush().await?;
        self.channel.settle(delivery_tag, verdict).await
    }

    /// Puts a failed message back to its queue after `pause`.
    pub(crate) async fn requeue_after(
        &mut self,
        delivery_tag: u64,
        pause: Duration,
    ) -> Result<(), SettleError> {
        if pause.is_zero() || self.paused.len() >= PAUSED_MAX {
            return self.settle(delivery_tag, Verdict::Reject(Requeue::Yes)).await;
        }
        self.flush().await?;
        self.gather.stays_open(delivery_tag);
        self.paused.insert(delivery_tag, self.clock.now().saturating_add(pause));
        Ok(())
    }

    /// Ready when a failed message's pause has ended.
    pub(crate) fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.paused.next_due() else {
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

    /// Whether a failed message's pause has ended, without waiting for it.
    pub(crate) fn has_due(&self) -> bool {
        self.paused.next_due().is_some_and(|due| due <= self.clock.now())
    }

    /// Puts the failed messages back whose pause has ended.
    pub(crate) async fn requeue_due(&mut self) -> Result<(), SettleError> {
        let now = self.clock.now();
        while let Some(delivery_tag) = self.paused.pop_due(now) {
            self.gather.closed(delivery_tag);
            self.settle(delivery_tag, Verdict::Reject(Requeue::Yes)).await?;
        }
        Ok(())
    }

    /// Puts all failed messages back, whatever is left of their pauses: the consumer stops.
    pub(crate) async fn requeue_paused(&mut self) -> Result<(), SettleError> {
        self.timer = None;
        for delivery_tag in self.paused.drain() {
            self.gather.closed(delivery_tag);
            self.settle(delivery_tag, Verdict::Reject(Requeue::Yes)).await?;
        }
        Ok(())
    }
}
