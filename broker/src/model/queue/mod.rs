//! A queue: what waits, who is served next, how many deliveries are out, and what dies.
//!
//! Pure: the engine puts one lock round it, tells it the time, and buries the dead.

mod consumers;
mod dead;
mod delayed;
mod message;
mod ready;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use consumers::{QueueConsumer, SettlementMode};
pub(crate) use dead::{Dead, DeadBatch};
pub(crate) use message::{Expires, QueueMessage, Returned};
pub(crate) use ready::Ready;
pub(crate) use settings::{DeadLetterTo, QueueSettings};

use super::arguments::Overflow;
use super::dead_letter::DeathReason;
use super::ids::ConsumerId;
use super::message::PublishedMessage;
use super::now::Now;
use super::outlet::{Offered, Outlet, Reader};
use consumers::{Consumers, NextConsumer};
use dead::Graveyard;
use delayed::DelayedMessages;

/// The outlets whose readers are to be woken once the queue is let go.
pub(crate) type Wakeups = Vec<Arc<dyn Outlet>>;

/// How many messages expire at the most before the queue is let go for others.
const EXPIRED_AT_ONCE_MAX: usize = 1_024;

/// A queue as a state machine.
///
/// **Inputs** change it: [`enqueue`](Self::enqueue), [`acknowledge`](Self::acknowledge),
/// [`put_back`](Self::put_back), [`add_consumer`](Self::add_consumer) and the like, and the time:
/// [`advance`](Self::advance), which comes before every other.
/// **Outputs**: [`dispatch`](Self::dispatch) hands ready messages to consumers with credit and
/// lists the readers to wake; [`take_dead`](Self::take_dead) gives the dead letters;
/// [`next_due`](Self::next_due) says when time changes something again. Whoever changes a queue
/// asks for all three before letting it go.
///
/// Invariant: a message is ready here, waits here for another try, is out with a channel or is
/// dead and not buried, so the sum of these is what was enqueued and neither acknowledged, purged,
/// dropped nor buried.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    settings: Arc<QueueSettings>,
    ready: Ready,
    delayed: DelayedMessages,
    consumers: Consumers,
    graveyard: Graveyard,
    unsettled: usize,
    next_position: u64,
    held_bytes: u64,
    /// When it was last used, if it expires without use.
    last_used: Duration,
}

/// Whether a queue takes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the publisher is to hear of a refusal"]
pub(crate) enum Enqueued {
    Taken,
    /// It is full, and refuses what is published to it then.
    Refused,
    /// The same, and the message is a dead letter.
    DeadLettered,
}

impl Queue {
    /// An empty queue, made at this time.
    pub(crate) fn new(settings: Arc<QueueSettings>, now: &Now<'_>) -> Self {
        let last_used = settings.expires.map_or(Duration::ZERO, |_| now.get());
        let consumers = Consumers::new(settings.active_consumers);
        Self { settings, consumers, last_used, ..Self::default() }
    }

    #[cfg(test)]
    pub(crate) fn settings(&self) -> &Arc<QueueSettings> {
        &self.settings
    }

    /// From now on these hold: a policy has changed. What is too much then goes at once; messages
    /// keep the expiry that they have.
    pub(crate) fn apply(&mut self, settings: Arc<QueueSettings>, now: &Now<'_>) {
        if settings.expires != self.settings.expires {
            self.last_used = settings.expires.map_or(Duration::ZERO, |_| now.get());
        }
        self.settings = settings;
        if self.settings.dead_letter.is_none() {
            let forgotten = self.graveyard.drain();
            self.held_bytes -= forgotten.map(|dead| u64::from(dead.message.charge)).sum::<u64>();
        }
        self.drop_oldest();
    }

    /// Messages that wait for a consumer.
    pub(crate) fn ready_count(&self) -> usize {
        self.ready.len()
    }

    /// Whether it has nothing to deliver, now or later.
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.delayed.is_empty()
    }

    /// Deliveries that are not settled yet.
    #[cfg(test)]
    pub(crate) fn unsettled_count(&self) -> usize {
        self.unsettled
    }

    /// Consumers, with credit or without.
    pub(crate) fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    pub(crate) fn has_consumers(&self) -> bool {
        !self.consumers.is_empty()
    }

    /// The memory of all messages, ready and unsettled, in bytes.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// The time has come so far: what has expired at the front dies, and what waited long enough
    /// is ready again.
    pub(crate) fn advance(&mut self, now: &Now<'_>, wakeups: &mut Wakeups) {
        let has_due = self.delayed.next_due().is_some_and(|due| due <= now.get());
        if has_due {
            for message in self.delayed.take_due(now.get()) {
                self.ready.put_back(message);
            }
        }
        if self.graveyard.has_waiting() {
            self.graveyard.try_again(now.get());
        }
        if self.ready.has_mortals() {
            self.ready.set_now(Some(now.get()));
            self.bury_expired();
        }
        if has_due {
            self.dispatch(wakeups);
            self.drop_oldest();
        }
    }

    /// When time changes something here again.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let dues = [
            self.ready.next_expiry(),
            self.delayed.next_due(),
            self.graveyard.next_try(),
            self.expires_at(),
        ];
        dues.into_iter().flatten().min()
    }

    /// When the queue goes, unless somebody uses it until then.
    pub(crate) fn expires_at(&self) -> Option<Duration> {
        let expires = self.settings.expires.filter(|_| self.consumers.is_empty())?;
        Some(self.last_used.saturating_add(expires))
    }

    /// Somebody uses the queue: it is declared again, or read.
    pub(crate) fn touch(&mut self, now: &Now<'_>) {
        if self.settings.expires.is_some() {
            self.last_used = now.get();
        }
    }

    /// Puts a message at the end, or refuses it, or drops the oldest, as the queue's limits say.
    /// `charge` is this queue's share of its memory, in bytes.
    pub(crate) fn enqueue(
        &mut self,
        message: Arc<PublishedMessage>,
        charge: u32,
        now: &Now<'_>,
        wakeups: &mut Wakeups,
    ) -> Enqueued {
        let message = QueueMessage {
            position: self.next_position,
            expires: self.expiry_of(&message, now),
            delivery_count: 0,
            charge,
            priority: self.priority_of(&message),
            redelivered: false,
            message,
        };
        self.next_position += 1;
        self.held_bytes += u64::from(charge);
        if self.settings.overflow != Overflow::DropHead
            && self.would_overflow(message.body_len(), wakeups)
        {
            if self.settings.overflow == Overflow::RejectPublishDlx {
                self.die(message, DeathReason::MaxLen);
                return Enqueued::DeadLettered;
            }
            self.held_bytes -= u64::from(charge);
            return Enqueued::Refused;
        }
        let is_mortal = message.expires != Expires::NEVER;
        if is_mortal {
            self.hand_out(wakeups);
        }
        let is_first = self.ready.is_empty();
        self.ready.push_back(message);
        if is_mortal && is_first {
            // Who waits for it may have it even if it does not live a moment.
            self.ready.set_now(None);
            self.hand_out(wakeups);
        }
        if self.is_too_long() {
            self.hand_out(wakeups);
            self.drop_excess();
        }
        if is_mortal {
            self.ready.set_now(Some(now.get()));
        }
        Enqueued::Taken
    }

    /// Hands ready messages to the consumers that have credit, until either runs out.
    pub(crate) fn dispatch(&mut self, wakeups: &mut Wakeups) {
        self.hand_out(wakeups);
        self.bury_expired();
    }

    fn hand_out(&mut self, wakeups: &mut Wakeups) {
        while !self.ready.is_empty() {
            let Some(NextConsumer { slot, consumer, share }) = self.consumers.next() else {
                break;
            };
            let share = share.min(self.ready.len());
            let Offered { taken, charge, reader } = consumer.outlet.offer(&mut self.ready, share);
            if reader == Reader::Asleep {
                wakeups.push(Arc::clone(&consumer.outlet));
            }
            match consumer.settlement {
                SettlementMode::Explicit => self.unsettled += taken,
                SettlementMode::Automatic => self.held_bytes -= charge,
            }
            // Some may have expired while they were handed over, and the rest been taken.
            if taken == share || self.ready.is_empty() {
                self.consumers.served(slot, taken);
            } else {
                self.consumers.refused(slot, taken);
            }
        }
    }

    /// Takes the first ready message for a `basic.get`.
    pub(crate) fn get(
        &mut self,
        settlement: SettlementMode,
        now: &Now<'_>,
    ) -> Option<QueueMessage> {
        self.touch(now);
        let message = self.ready.pop_front()?;
        match settlement {
            SettlementMode::Explicit => self.unsettled += 1,
            SettlementMode::Automatic => self.held_bytes -= u64::from(message.charge),
        }
        self.bury_expired();
        Some(message)
    }

    /// Forgets settled deliveries: they are acknowledged.
    pub(crate) fn acknowledge<'m>(
        &mut self,
        consumer: Option<ConsumerId>,
        messages: impl IntoIterator<Item = &'m QueueMessage>,
    ) {
        let mut count: u32 = 0;
        for message in messages {
            count += 1;
            self.unsettled -= 1;
            self.held_bytes -= u64::from(message.charge);
        }
        self.settled(consumer, count);
    }

    /// Takes leave of deliveries that were refused for good: they are dead.
    pub(crate) fn discard(
        &mut self,
        consumer: Option<ConsumerId>,
        messages: impl IntoIterator<Item = QueueMessage>,
    ) {
        let mut count: u32 = 0;
        for message in messages {
            count += 1;
            self.unsettled -= 1;
            self.die(message, DeathReason::Rejected);
        }
        self.settled(consumer, count);
    }

    /// Puts deliveries back to their old places; one whose deliveries failed too often dies, and
    /// one that is retried with a delay waits. What is too much for the queue then dies before
    /// anybody gets it.
    pub(crate) fn put_back(
        &mut self,
        consumer: Option<ConsumerId>,
        messages: impl IntoIterator<Item = QueueMessage>,
        why: Returned,
        now: &Now<'_>,
    ) {
        let mut count: u32 = 0;
        for mut message in messages {
            count += 1;
            self.unsettled -= 1;
            match why {
                Returned::Failed => {
                    message.redelivered = true;
                    message.delivery_count = message.delivery_count.saturating_add(1);
                }
                Returned::HandedBack => message.redelivered = true,
                Returned::Undelivered => {}
            }
            let limit = self.settings.delivery_limit;
            if limit.is_some_and(|limit| message.delivery_count > limit) {
                self.die(message, DeathReason::DeliveryLimit);
                continue;
            }
            match self.settings.delayed_retry {
                Some(retry) if retry.which.includes(why) => {
                    self.delayed.push(message, retry, now.get());
                }
                _ => self.ready.put_back(message),
            }
        }
        if self.ready.has_mortals() {
            self.ready.set_now(Some(now.get()));
            self.bury_expired();
        }
        if why != Returned::Undelivered {
            self.drop_oldest();
        }
        self.settled(consumer, count);
    }

    /// Takes back what an ended no-ack consumer never read: nothing settled it for the
    /// application.
    pub(crate) fn put_back_unread(
        &mut self,
        messages: impl IntoIterator<Item = QueueMessage>,
        now: &Now<'_>,
    ) {
        for message in messages {
            self.held_bytes += u64::from(message.charge);
            self.ready.put_back(message);
        }
        if self.ready.has_mortals() {
            self.ready.set_now(Some(now.get()));
        }
    }

    pub(crate) fn add_consumer(&mut self, consumer: QueueConsumer) {
        self.consumers.add(consumer);
    }

    /// Removes a consumer; what it has unsettled stays with its channel.
    pub(crate) fn remove_consumer(
        &mut self,
        id: ConsumerId,
        now: &Now<'_>,
    ) -> Option<QueueConsumer> {
        let removed = self.consumers.remove(id)?;
        self.touch(now);
        Some(removed)
    }

    /// The outlets of these consumers may take messages again.
    pub(crate) fn resume(&mut self, ids: &[ConsumerId]) {
        self.consumers.resume(ids);
    }

    /// Drops all ready messages; deliveries that are out stay out.
    pub(crate) fn purge(&mut self) -> usize {
        let mut count = 0;
        for message in self.ready.drain().chain(self.delayed.drain()) {
            count += 1;
            self.held_bytes -= u64::from(message.charge);
        }
        count
    }

    /// Ends the queue: its consumers, to be told. What is out is no longer counted.
    pub(crate) fn delete(&mut self) -> Vec<QueueConsumer> {
        let consumers = self.consumers.drain();
        *self = Self::default();
        consumers
    }

    /// The dead that are to be sent on, if there are any and no others are on their way;
    /// [`buried`](Self::buried) is to follow.
    pub(crate) fn take_dead(&mut self) -> Option<DeadBatch> {
        let to = self.settings.dead_letter.as_ref()?;
        self.graveyard.take().map(|dead| DeadBatch { to: to.clone(), dead })
    }

    /// What became of the dead that were taken: these are where they belong, or nowhere for good.
    /// Not all queues take those that are kept, or none: they stay, and are tried again.
    pub(crate) fn buried<'d>(
        &mut self,
        dead: impl IntoIterator<Item = &'d Dead>,
        kept: Vec<Dead>,
        now: &Now<'_>,
    ) {
        for Dead { message, .. } in dead {
            self.held_bytes -= u64::from(message.charge);
        }
        if !kept.is_empty() || self.graveyard.has_waiting() {
            self.graveyard.keep(kept, now.get());
        }
        self.graveyard.finish();
    }

    fn settled(&mut self, consumer: Option<ConsumerId>, count: u32) {
        if let Some(consumer) = consumer {
            self.consumers.settled(consumer, count);
        }
    }

    /// The earlier of what the queue and the message say.
    fn expiry_of(&self, message: &PublishedMessage, now: &Now<'_>) -> Expires {
        let ttl = match (self.settings.message_ttl, message.expiration()) {
            (Some(queues), Some(own)) => queues.min(own),
            (Some(ttl), None) | (None, Some(ttl)) => ttl,
            (None, None) => return Expires::NEVER,
        };
        Expires::at(now.get().saturating_add(ttl))
    }

    fn priority_of(&self, message: &PublishedMessage) -> u8 {
        match self.settings.max_priority {
            Some(max) => message.message.properties.priority().unwrap_or(0).min(max),
            None => 0,
        }
    }

    /// Whether a message with a body of so many bytes is too much, even once the consumers have
    /// what they may have.
    fn would_overflow(&mut self, body_len: u64, wakeups: &mut Wakeups) -> bool {
        let exceeds = |queue: &Self| {
            let bytes = queue.ready.body_bytes() + body_len;
            queue.settings.limits.exceeded(queue.ready.len() + 1, bytes)
        };
        exceeds(self) && {
            self.hand_out(wakeups);
            exceeds(self)
        }
    }

    fn is_too_long(&self) -> bool {
        self.settings.limits.exceeded(self.ready.len(), self.ready.body_bytes())
    }

    /// What is too much dies without a publish, but not in a queue that refuses new messages: that
    /// keeps those it has.
    fn drop_oldest(&mut self) {
        if self.settings.overflow == Overflow::DropHead {
            self.drop_excess();
        }
    }

    /// The oldest die until the rest is as short as the queue may be.
    fn drop_excess(&mut self) {
        while self.is_too_long() {
            let Some(message) = self.ready.pop_any() else { return };
            self.die(message, DeathReason::MaxLen);
        }
    }

    /// Those die that have expired and stand at the front, or were passed over.
    fn bury_expired(&mut self) {
        if !self.ready.has_mortals() && !self.ready.has_passed_over() {
            return;
        }
        for message in self.ready.take_expired(EXPIRED_AT_ONCE_MAX) {
            self.die(message, DeathReason::Expired);
        }
    }

    fn die(&mut self, message: QueueMessage, reason: DeathReason) {
        if self.settings.dead_letter.is_some() {
            self.graveyard.add(Dead::new(message, reason));
        } else {
            self.held_bytes -= u64::from(message.charge);
        }
    }
}
