//! A queue: what waits, who is served next, and how many deliveries are out.
//!
//! Pure: the engine puts one lock round it. Expiry, length limits and priorities are later steps.

mod consumers;
mod message;
mod ready;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use consumers::{QueueConsumer, SettlementMode};
pub(crate) use message::{QueueMessage, Returned};
pub(crate) use ready::Ready;

use super::ids::ConsumerId;
use super::message::PublishedMessage;
use super::outlet::{Offered, Outlet, Reader};
use consumers::{Consumers, NextConsumer};

/// The outlets whose readers are to be woken once the queue is let go.
pub(crate) type Wakeups = Vec<Arc<dyn Outlet>>;

/// A queue as a state machine.
///
/// **Inputs** change it: [`enqueue`](Self::enqueue), [`acknowledge`](Self::acknowledge),
/// [`put_back`](Self::put_back), [`add_consumer`](Self::add_consumer) and the like.
/// **Output**: [`dispatch`](Self::dispatch) hands ready messages to consumers with credit and
/// lists the readers to wake. Whoever changes a queue dispatches before letting it go.
///
/// Invariant: a message is either ready here or out with a channel, so
/// `ready + unsettled` is what was enqueued and neither acknowledged, purged nor dropped.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: Ready,
    consumers: Consumers,
    unsettled: usize,
    next_position: u64,
    held_bytes: u64,
}

impl Queue {
    /// Messages that wait for a consumer.
    pub(crate) fn ready_count(&self) -> usize {
        self.ready.len()
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

    /// Puts a message at the end. `charge` is this queue's share of its memory, in bytes.
    pub(crate) fn enqueue(&mut self, message: Arc<PublishedMessage>, charge: u32) {
        let position = self.next_position;
        self.next_position += 1;
        self.held_bytes += u64::from(charge);
        self.ready.push_back(QueueMessage {
            position,
            delivery_count: 0,
            redelivered: false,
            charge,
            message,
        });
    }

    /// Hands ready messages to the consumers that have credit, until either runs out.
    pub(crate) fn dispatch(&mut self, wakeups: &mut Wakeups) {
        while self.ready.len() > 0 {
            let Some(NextConsumer { slot, consumer, share }) = self.consumers.next() else {
                return;
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
            if taken == share {
                self.consumers.served(slot, taken);
            } else {
                self.consumers.refused(slot, taken);
            }
        }
    }

    /// Takes the first ready message for a `basic.get`.
    pub(crate) fn get(&mut self, settlement: SettlementMode) -> Option<QueueMessage> {
        let message = self.ready.pop_front()?;
        match settlement {
            SettlementMode::Explicit => self.unsettled += 1,
            SettlementMode::Automatic => self.held_bytes -= u64::from(message.charge),
        }
        Some(message)
    }

    /// Forgets settled deliveries: acknowledged, or refused without requeue.
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
        if let Some(consumer) = consumer {
            self.consumers.settled(consumer, count);
        }
    }

    /// Puts deliveries back to their old places.
    pub(crate) fn put_back(
        &mut self,
        consumer: Option<ConsumerId>,
        messages: impl IntoIterator<Item = QueueMessage>,
        why: Returned,
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
            self.ready.put_back(message);
        }
        if let Some(consumer) = consumer {
            self.consumers.settled(consumer, count);
        }
    }

    /// Takes back what an ended no-ack consumer never read: nothing settled it for the
    /// application.
    pub(crate) fn put_back_unread(&mut self, messages: impl IntoIterator<Item = QueueMessage>) {
        for message in messages {
            self.held_bytes += u64::from(message.charge);
            self.ready.put_back(message);
        }
    }

    pub(crate) fn add_consumer(&mut self, consumer: QueueConsumer) {
        self.consumers.add(consumer);
    }

    /// Removes a consumer; what it has unsettled stays with its channel.
    pub(crate) fn remove_consumer(&mut self, id: ConsumerId) -> Option<QueueConsumer> {
        self.consumers.remove(id)
    }

    /// The outlets of these consumers may take messages again.
    pub(crate) fn resume(&mut self, ids: &[ConsumerId]) {
        self.consumers.resume(ids);
    }

    /// Drops all ready messages; deliveries that are out stay out.
    pub(crate) fn purge(&mut self) -> usize {
        let mut count = 0;
        for message in self.ready.drain() {
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
}
