use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use springhare_amqp::ShortString;

use crate::engine::channel_cell::ChannelCell;
use crate::engine::consume::StartedConsumer;
use crate::engine::deliver::{Delivered, DeliveredMessage};
use crate::engine::outbox::ConsumerEnd;
use crate::engine::signals::{ConsumerSlot, Signals};
use crate::protocol::{Delivery, Output};

/// How much one consumer is given before the next has its turn, in bytes.
const SHARE_BYTES: usize = 64 << 10;

/// The consumers of a connection, and which of them have something to read.
#[derive(Debug)]
pub(super) struct Consumers {
    signals: Arc<Signals>,
    consumers: BTreeMap<ConsumerSlot, SessionConsumer>,
    next_slot: ConsumerSlot,
    /// Served in turns.
    ready: VecDeque<ConsumerSlot>,
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
        Self { signals, consumers: BTreeMap::new(), next_slot: 0, ready: VecDeque::new() }
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
        self.consumers.insert(slot, SessionConsumer { number, channel, started, reader });
        self.ready.push_back(slot);
    }

    /// Forgets the consumer with this tag, which its channel has given up. A consumer of direct
    /// replies may share its tag with another, which goes on.
    pub(super) fn remove(&mut self, number: u16, tag: &str) {
        self.consumers.retain(|_, SessionConsumer { number: of, started, .. }| {
            *of != number || started.tag != *tag || started.outbox.ended().is_none()
        });
    }

    /// Forgets the consumers of a channel, which is closed.
    pub(super) fn remove_channel(&mut self, number: u16) {
        self.consumers.retain(|_, consumer| consumer.number != number);
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
            match consumer.deliver(output, frame_max) {
                Delivered::Some => {
                    delivered = true;
                    self.ready.push_back(slot);
                }
                Delivered::Nothing => {}
                Delivered::Ended => {
                    if let Some(consumer) = self.consumers.remove(&slot) {
                        cancelled.extend(consumer.cancelled());
                        delivered = true;
                    }
                }
            }
        }
        delivered
    }
}

impl SessionConsumer {
    fn deliver(&self, output: &mut Output, frame_max: usize) -> Delivered {
        self.channel.deliver(&self.started, SHARE_BYTES, &self.reader, |delivered| {
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
