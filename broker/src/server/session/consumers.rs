use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use springhare_amqp::ShortString;

use crate::engine::channel_cell::ChannelCell;
use crate::engine::consume::StartedConsumer;
use crate::engine::deliver::{Delivered, DeliveredMessage};
use crate::engine::outbox::ConsumerEnd;
use crate::engine::signals::{ConsumerSlot, Signals};
use crate::model::ids::QueueId;
use crate::protocol::{Delivery, Output};

/// How much one consumer is given before the next has its turn, in bytes.
const SHARE_BYTES: usize = 64 << 10;

/// What is read of a consumer that is given one message at a time, in bytes.
const ONE_MESSAGE: usize = 1;

/// The consumers of a connection, and which of them have something to read.
#[derive(Debug)]
pub(super) struct Consumers {
    signals: Arc<Signals>,
    consumers: BTreeMap<ConsumerSlot, SessionConsumer>,
    next_slot: ConsumerSlot,
    /// Served in turns.
    ready: VecDeque<ConsumerSlot>,
    /// Which consumers of a channel share a queue: what they get comes in the queue's order (AMQP
    /// 0-9-1 section 4.7).
    sharing: BTreeMap<(u16, QueueId), Vec<ConsumerSlot>>,
}

#[derive(Debug)]
struct SessionConsumer {
    number: u16,
    channel: Arc<ChannelCell>,
    started: StartedConsumer,
    reader: Waker,
}

/// A consumer that the broker cancelled.
#[derive(Debug)]
pub(super) struct Cancelled {
    pub(super) channel: u16,
    pub(super) tag: ShortString,
}

impl Consumers {
    pub(super) fn new(signals: Arc<Signals>) -> Self {
        Self {
            signals,
            consumers: BTreeMap::new(),
            next_slot: 0,
            ready: VecDeque::new(),
            sharing: BTreeMap::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        number: u16,
        channel: &Arc<ChannelCell>,
        started: StartedConsumer,
    ) {
        let slot = self.next_slot;
        self.next_slot += 1;
        let reader = self.signals.consumer_waker(slot);
        let channel = Arc::clone(channel);
        if let Some(queue) = started.queue_id() {
            self.sharing.entry((number, queue)).or_default().push(slot);
        }
        self.consumers.insert(slot, SessionConsumer { number, channel, started, reader });
        self.ready.push_back(slot);
    }

    /// Forgets the consumer with this tag, which its channel has given up. A consumer of direct
    /// replies may share its tag with another, which goes on.
    pub(super) fn remove(&mut self, number: u16, tag: &str) {
        self.retain(|SessionConsumer { number: of, started, .. }| {
            *of != number || started.tag != *tag || started.outbox.ended().is_none()
        });
    }

    /// Forgets the consumers of a channel, which is closed.
    pub(super) fn remove_channel(&mut self, number: u16) {
        self.retain(|consumer| consumer.number != number);
    }

    fn retain(&mut self, mut stays: impl FnMut(&SessionConsumer) -> bool) {
        let gone = self.consumers.iter().filter(|(_, consumer)| !stays(consumer));
        for slot in gone.map(|(slot, _)| *slot).collect::<Vec<_>>() {
            self.take(slot);
        }
    }

    fn take(&mut self, slot: ConsumerSlot) -> Option<SessionConsumer> {
        let consumer = self.consumers.remove(&slot)?;
        if let Some(queue) = consumer.started.queue_id()
            && let Entry::Occupied(mut sharing) = self.sharing.entry((consumer.number, queue))
        {
            sharing.get_mut().retain(|other| *other != slot);
            if sharing.get().is_empty() {
                sharing.remove();
            }
        }
        Some(consumer)
    }

    /// Looks who has something to read, and is woken when somebody has; whether the connection
    /// was closed by somebody else.
    pub(super) fn take_signals(&mut self, session: &Waker) -> bool {
        self.signals.take(session, &mut self.ready)
    }

    /// Delivers until `output` holds `max_bytes` or nobody has anything more, and says whether
    /// anything was delivered. Who was cancelled is added to `cancelled`.
    pub(super) fn deliver(
        &mut self,
        output: &mut Output,
        max_bytes: usize,
        frame_max: usize,
        cancelled: &mut Vec<Cancelled>,
    ) -> bool {
        let mut delivered = false;
        while output.len() < max_bytes {
            let Some(slot) = self.ready.pop_front() else { break };
            let Some(consumer) = self.consumers.get(&slot) else { continue };
            let (next, max_bytes) = match self.next_of_sharing(consumer) {
                Some(next) => (next, ONE_MESSAGE),
                None => (slot, SHARE_BYTES),
            };
            let Some(consumer) = self.consumers.get(&next) else { continue };
            match consumer.deliver(output, max_bytes, frame_max) {
                Delivered::Some => {
                    delivered = true;
                    self.ready.push_back(slot);
                }
                Delivered::Nothing => {}
                Delivered::Ended => {
                    if let Some(consumer) = self.take(next) {
                        cancelled.extend(consumer.cancelled());
                        delivered = true;
                    }
                    self.ready.push_back(slot);
                }
            }
        }
        delivered
    }

    /// Of the consumers that share a queue with this one on its channel, the one that has the next
    /// message in the queue's order; none if it has the queue for itself, or nobody has any.
    fn next_of_sharing(&self, consumer: &SessionConsumer) -> Option<ConsumerSlot> {
        let queue = consumer.started.queue_id()?;
        let slots = self.sharing.get(&(consumer.number, queue)).filter(|slots| slots.len() > 1)?;
        let first = || {
            let position = |slot: &ConsumerSlot| {
                let outbox = &self.consumers.get(slot)?.started.outbox;
                Some((outbox.front_position()?, *slot))
            };
            slots.iter().filter_map(position).min()
        };
        // A queue gives in its order: once one message is seen, all before it are there to be
        // seen, though perhaps not at the first look.
        first()?;
        first().map(|(_, slot)| slot)
    }
}

impl SessionConsumer {
    fn deliver(&self, output: &mut Output, max_bytes: usize, frame_max: usize) -> Delivered {
        self.channel.deliver(&self.started, max_bytes, &self.reader, |delivered| {
            let DeliveredMessage { delivery_tag, redelivered, message: published } = delivered;
            let delivery = Delivery {
                consumer_tag: &self.started.tag,
                delivery_tag,
                redelivered,
                exchange: &published.exchange,
                routing_key: &published.routing_key,
                properties: &published.message.properties,
                body: &published.message.body,
            };
            output.delivery(self.number, &delivery, frame_max);
        })
    }

    fn cancelled(self) -> Option<Cancelled> {
        let by_broker = self.started.outbox.ended() == Some(ConsumerEnd::CancelledByBroker);
        by_broker.then_some(Cancelled { channel: self.number, tag: self.started.tag })
    }
}
