//! A queue: what waits, who is served next, how many deliveries are out, and what dies.
//!
//! Pure: the engine puts one lock round it, tells it the time, and sends the dead letters on.

mod changes;
mod cold;
mod consumers;
#[cfg(test)]
mod contents;
mod dead;
mod delayed;
mod dying;
mod enqueue;
mod level;
mod message;
mod ready;
mod restore;
mod run;
mod settings;
mod shelf;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use changes::{JournalChanges, ReturnedReference, SettledReferences};
pub(crate) use consumers::{QueueConsumer, SettlementMode};
#[cfg(test)]
pub(crate) use contents::Content;
pub(crate) use dead::{Dead, DeadBatch};
pub(crate) use enqueue::Enqueued;
pub(crate) use message::{Expires, QueueMessage, Returned};
pub(crate) use ready::{PageOut, Ready};
pub(crate) use restore::RestoredMessage;
pub(crate) use run::ColdMessage;
pub(crate) use settings::{DeadLetterTo, QueueSettings};
pub(crate) use shelf::{Shelf, Shelved};

use super::dead_letter::DeathReason;
use super::ids::ConsumerId;
use super::now::Now;
use super::outlet::{Offered, Outlet, Reader};
use super::pager::{NotReadNow, Pager, READ_AGAIN_AFTER};
use consumers::{Consumers, NextConsumer};
use dead::DeadMessages;
use delayed::DelayedMessages;

/// The outlets whose readers are to be woken once the queue is let go.
pub(crate) type Wakeups = Vec<Arc<dyn Outlet>>;

/// A queue as a state machine.
///
/// **Inputs** change it: [`enqueue`](Self::enqueue), [`acknowledge`](Self::acknowledge),
/// [`put_back`](Self::put_back), [`add_consumer`](Self::add_consumer) and the like, and the time:
/// [`advance`](Self::advance), which comes before every other.
/// **Outputs**: [`dispatch`](Self::dispatch) hands ready messages to consumers with credit and
/// lists the readers to wake; [`take_dead`](Self::take_dead) gives the dead letters;
/// [`take_changes`](Self::take_changes) says what the journal is to know;
/// [`next_due`](Self::next_due) says when time changes something again. Whoever changes a queue
/// asks for all four before letting it go.
///
/// Invariant: a message is ready here, waits here for another try, is out with a channel or is
/// dead and not dead-lettered, so the sum of these is what was enqueued and neither acknowledged, purged,
/// dropped nor dead-lettered.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    settings: Arc<QueueSettings>,
    ready: Ready,
    delayed: DelayedMessages,
    consumers: Consumers,
    dead: DeadMessages,
    unsettled: usize,
    next_position: u64,
    /// The memory of the messages that are out or dead.
    away_bytes: u64,
    changes: JournalChanges,
    /// When it was last used, if it expires without use.
    last_used: Duration,
    /// Until when nothing is read back, since the disk did not give it.
    read_again_at: Option<Duration>,
}

impl Queue {
    /// An empty queue, made at this time.
    pub(crate) fn new(settings: Arc<QueueSettings>, now: &Now<'_>) -> Self {
        let last_used = settings.expires.map_or(Duration::ZERO, |_| now.get());
        let consumers = Consumers::new(settings.active_consumers);
        Self { settings, consumers, last_used, ..Self::default() }
    }

    /// The same, the messages of which can be read back through the pager and need not be in memory.
    #[must_use]
    pub(crate) fn with_pager(self, pager: Option<Arc<dyn Pager>>) -> Self {
        Self { ready: Ready::with_pager(pager), ..self }
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
            for Dead { message, .. } in self.dead.drain() {
                self.away_bytes -= u64::from(message.charge);
                self.changes.settled.add(message.reference);
            }
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
        self.ready.charge() + self.delayed.charge() + self.away_bytes
    }

    /// What the journal is to know of what has happened since this was last asked.
    pub(crate) fn take_changes(&mut self) -> JournalChanges {
        std::mem::take(&mut self.changes)
    }

    /// Takes messages out of memory that can be read back, if there are many.
    pub(crate) fn page_out(&mut self, how: PageOut) {
        self.ready.page_out(how);
        if let Some(pager) = self.ready.pager() {
            self.delayed.page_out(pager, how);
        }
    }

    /// The time has come so far: what has expired at the front dies, and what waited long enough
    /// is ready again.
    pub(crate) fn advance(&mut self, now: &Now<'_>, wakeups: &mut Wakeups) {
        let has_due = self.delayed.next_due().is_some_and(|due| due <= now.get());
        if has_due {
            while let Some(message) = self.delayed.pop_due(now.get()) {
                self.ready.put_back_shelved(message);
            }
        }
        if self.dead.has_waiting() {
            self.dead.try_again(now.get());
        }
        let reads_again = self.read_again_at.is_some_and(|again_at| again_at <= now.get());
        if reads_again {
            self.read_again_at = None;
            self.ready.read_again();
        }
        if self.ready.has_mortals() {
            self.ready.set_now(Some(now.get()));
            self.expire_front();
        }
        if has_due || reads_again {
            self.dispatch(wakeups);
            self.drop_oldest();
            // The next may have been behind what is dropped, and expired.
            self.expire_front();
        }
    }

    /// When time changes something here again.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let dues = [
            self.ready.next_expiry(),
            self.delayed.next_due(),
            self.dead.next_try(),
            self.expires_at(),
            self.read_again_at,
        ];
        dues.into_iter().flatten().min()
    }

    /// If the disk did not give what was wanted, it is left alone for a while.
    pub(crate) fn pause_reading(&mut self, now: &Now<'_>) {
        if self.read_again_at.is_none() && self.ready.is_unread() {
            self.read_again_at = Some(now.get().saturating_add(READ_AGAIN_AFTER));
        }
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

    /// Hands ready messages to the consumers that have credit, until either runs out.
    pub(crate) fn dispatch(&mut self, wakeups: &mut Wakeups) {
        self.hand_out(wakeups);
        self.expire_front();
    }

    fn hand_out(&mut self, wakeups: &mut Wakeups) {
        while self.ready.has_next() {
            let Some(NextConsumer { slot, consumer, share }) = self.consumers.next() else {
                break;
            };
            let share = share.min(self.ready.len());
            let Offered { taken, charge, reader } = consumer.outlet.offer(&mut self.ready, share);
            if reader == Reader::Asleep {
                wakeups.push(Arc::clone(&consumer.outlet));
            }
            match consumer.settlement {
                SettlementMode::Explicit => {
                    self.unsettled += taken;
                    self.away_bytes += charge;
                }
                // Whoever reads them from the outlet settles them.
                SettlementMode::Automatic => {}
            }
            // Some may have expired while they were handed over, and the rest been taken or not be
            // there now.
            if taken == share || !self.ready.has_next() {
                self.consumers.served(slot, taken);
            } else {
                self.consumers.refused(slot, taken);
            }
        }
    }

    /// Takes the first ready message for a `basic.get`. With automatic settlement it is the caller's,
    /// who settles it in the journal, or [puts it back](Self::put_back_unread).
    ///
    /// # Errors
    ///
    /// It can't be read back now.
    pub(crate) fn get(
        &mut self,
        settlement: SettlementMode,
        now: &Now<'_>,
    ) -> Result<Option<QueueMessage>, NotReadNow> {
        self.touch(now);
        let Some(message) = self.ready.pop_front() else {
            return if self.ready.is_stuck() { Err(NotReadNow) } else { Ok(None) };
        };
        match settlement {
            SettlementMode::Explicit => {
                self.unsettled += 1;
                self.away_bytes += u64::from(message.charge);
            }
            SettlementMode::Automatic => {}
        }
        self.expire_front();
        Ok(Some(message))
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
            self.away_bytes -= u64::from(message.charge);
            self.changes.settled.add(message.reference);
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
            let retry = self.settings.delayed_retry.filter(|retry| retry.which.includes(why));
            let retry_at = retry.map(|retry| retry.at(message.delivery_count, now.get()));
            if let Some(reference) = message.reference.filter(|_| why != Returned::Undelivered) {
                let delivery_count = message.delivery_count;
                let returned = ReturnedReference { reference, delivery_count, retry_at };
                self.changes.returned.push(returned);
            }
            self.away_bytes -= u64::from(message.charge);
            match retry_at {
                Some(due) => self.delayed.insert(due, Shelved::Warm(message)),
                None => self.ready.put_back(message),
            }
        }
        if self.ready.has_mortals() {
            self.ready.set_now(Some(now.get()));
            self.expire_front();
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
        let mut count = self.ready.len();
        self.ready.settle_all(&mut self.changes.settled);
        for message in self.delayed.drain() {
            count += 1;
            self.changes.settled.add(message.reference());
        }
        count
    }

    /// Ends the queue: its consumers, to be told, and the messages that are done with. What is out is
    /// no longer counted.
    pub(crate) fn delete(&mut self) -> (Vec<QueueConsumer>, SettledReferences) {
        let consumers = self.consumers.drain();
        self.purge();
        for Dead { message, .. } in self.dead.drain() {
            self.changes.settled.add(message.reference);
        }
        let settled = self.take_changes().settled;
        *self = Self::default();
        (consumers, settled)
    }

    fn settled(&mut self, consumer: Option<ConsumerId>, count: u32) {
        if let Some(consumer) = consumer {
            self.consumers.settled(consumer, count);
        }
    }
}
