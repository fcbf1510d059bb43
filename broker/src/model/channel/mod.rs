//! A channel: delivery tags, what is unsettled, prefetch, confirms, and what an error closes.
//!
//! Pure, and the only place where these rules stand: the embedded API calls it, and the wire will
//! feed it from frames. It names queues by a handle `Q` and never touches one: each input says
//! what is to be done to which queue.

mod mode;
mod reply_consumer;
mod settle;
mod sources;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::BTreeMap;

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

pub(crate) use reply_consumer::{ReplyConsumer, no_reply_consumer};
pub(crate) use settle::{Settled, Settlement, Tags};
pub(crate) use transaction::{Committed, RoutedPublish, Unroutable};

use super::ids::ConsumerId;
use super::queue::{QueueMessage, SettlementMode};
use super::unsettled::{Unsettled, UnsettledDelivery};
use mode::ChannelMode;
use sources::Sources;

/// A channel of a connection.
#[derive(Debug)]
pub(crate) struct Channel<Q> {
    state: ChannelState,
    mode: ChannelMode,
    consumers: BTreeMap<ShortString, ChannelConsumer<Q>>,
    reply_consumer: Option<ReplyConsumer>,
    sources: Sources<Q>,
    unsettled: Unsettled,
    last_delivery_tag: u64,
    /// For consumers that are started from now on; 0 is no limit.
    prefetch: u16,
    last_declared_queue: Option<ShortString>,
}

#[derive(Debug, Clone)]
enum ChannelState {
    Open,
    Closed(Option<AmqpError>),
}

/// A consumer as its channel sees it.
#[derive(Debug, Clone)]
pub(crate) struct ChannelConsumer<Q> {
    pub(crate) id: ConsumerId,
    pub(crate) queue: Q,
    pub(crate) source: usize,
}

/// What a closed channel leaves behind for the engine to give back.
#[derive(Debug)]
pub(crate) struct ChannelRemains<Q> {
    pub(crate) consumers: Vec<ChannelConsumer<Q>>,
    pub(crate) reply_consumer: Option<ReplyConsumer>,
    pub(crate) unsettled: Vec<Settled<Q>>,
    /// The bytes of messages that a transaction held: they are dropped.
    pub(crate) held_bytes: usize,
}

impl<Q: Clone> Channel<Q> {
    pub(crate) fn new() -> Self {
        Self {
            state: ChannelState::Open,
            mode: ChannelMode::Plain,
            consumers: BTreeMap::new(),
            reply_consumer: None,
            sources: Sources::default(),
            unsettled: Unsettled::default(),
            last_delivery_tag: 0,
            prefetch: 0,
            last_declared_queue: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, ChannelState::Open)
    }

    /// Why the channel was closed; none while it is open, and when its user closed it.
    pub(crate) fn close_reason(&self) -> Option<AmqpError> {
        match &self.state {
            ChannelState::Open => None,
            ChannelState::Closed(reason) => reason.clone(),
        }
    }

    /// Whether `method` may be used: its channel is open.
    pub(crate) fn ensure_open(&self, method: MethodId) -> Result<(), AmqpError> {
        match &self.state {
            ChannelState::Open => Ok(()),
            ChannelState::Closed(Some(reason)) => Err(reason.clone()),
            ChannelState::Closed(None) => {
                Err(AmqpError::new(ReplyCode::ChannelError, method, "the channel is closed"))
            }
        }
    }

    /// Remembers the queue that an empty name stands for.
    pub(crate) fn declared_queue(&mut self, name: ShortString) {
        self.last_declared_queue = Some(name);
    }

    /// The queue that `name` means: an empty one is the last that was declared on this channel.
    pub(crate) fn queue_name(
        &self,
        name: &ShortString,
        method: MethodId,
    ) -> Result<ShortString, AmqpError> {
        if !name.is_empty() {
            return Ok(name.clone());
        }
        self.last_declared_queue.clone().ok_or_else(|| {
            AmqpError::new(ReplyCode::NotFound, method, "no previously declared queue")
        })
    }

    /// The queue and the key that a binding means: if both are left empty, the last declared
    /// queue's name stands for both.
    pub(crate) fn binding_ends(
        &self,
        queue: &ShortString,
        routing_key: ShortString,
        method: MethodId,
    ) -> Result<(ShortString, ShortString), AmqpError> {
        let name = self.queue_name(queue, method)?;
        let is_left_out = queue.is_empty() && routing_key.is_empty();
        let key = if is_left_out { name.clone() } else { routing_key };
        Ok((name, key))
    }

    /// Sets the prefetch of consumers that are started from now on; 0 is no limit.
    pub(crate) fn set_prefetch(&mut self, prefetch: u16) {
        self.prefetch = prefetch;
    }

    /// The prefetch that a new consumer gets.
    pub(crate) fn prefetch(&self, settlement: SettlementMode) -> Option<u16> {
        (settlement == SettlementMode::Explicit && self.prefetch > 0).then_some(self.prefetch)
    }

    /// Whether a consumer may take this tag.
    pub(crate) fn ensure_free_tag(&self, tag: &str) -> Result<(), AmqpError> {
        if self.consumers.contains_key(tag) {
            let explanation = format!("attempt to reuse consumer tag '{tag}'");
            return Err(AmqpError::new(
                ReplyCode::NotAllowed,
                MethodId::BASIC_CONSUME,
                explanation,
            ));
        }
        Ok(())
    }

    /// Adds a consumer and returns the source that its deliveries name.
    pub(crate) fn add_consumer(&mut self, tag: ShortString, id: ConsumerId, queue: Q) -> usize {
        let source = self.sources.open(queue.clone(), Some(id));
        self.consumers.insert(tag, ChannelConsumer { id, queue, source });
        source
    }

    /// Removes a consumer; its unsettled deliveries stay with the channel.
    pub(crate) fn remove_consumer(&mut self, tag: &str) -> Option<ChannelConsumer<Q>> {
        let consumer = self.consumers.remove(tag)?;
        self.sources.close(consumer.source);
        Some(consumer)
    }

    /// Removes the consumer with this id, if the tag is still its own.
    pub(crate) fn remove_consumer_by_id(
        &mut self,
        tag: &str,
        id: ConsumerId,
    ) -> Option<ChannelConsumer<Q>> {
        self.consumers.get(tag).filter(|consumer| consumer.id == id)?;
        self.remove_consumer(tag)
    }

    pub(crate) fn consumers(&self) -> impl Iterator<Item = &ChannelConsumer<Q>> {
        self.consumers.values()
    }

    /// The tag that the next delivery gets. A direct reply shows it and does not take it, as on
    /// RabbitMQ.
    pub(crate) fn next_delivery_tag(&self) -> u64 {
        self.last_delivery_tag + 1
    }

    /// The tag of a delivery that nobody has to settle.
    pub(crate) fn deliver_settled(&mut self) -> u64 {
        self.last_delivery_tag += 1;
        self.last_delivery_tag
    }

    /// Keeps a delivery of a consumer until it is settled, and returns its tag.
    pub(crate) fn deliver(&mut self, source: usize, message: QueueMessage) -> u64 {
        let tag = self.deliver_settled();
        self.sources.delivered(source);
        self.unsettled.push(tag, UnsettledDelivery { source, message });
        tag
    }

    /// Whether the source is this consumer's, which has not ended.
    pub(crate) fn has_source(&self, source: usize, consumer: ConsumerId) -> bool {
        self.sources.is_open_for(source, consumer)
    }

    /// Keeps a delivery that is no running consumer's until it is settled, and returns its tag:
    /// what a `basic.get` took, or a consumer received after its queue was deleted.
    pub(crate) fn deliver_alone(
        &mut self,
        queue: Q,
        consumer: Option<ConsumerId>,
        message: QueueMessage,
    ) -> u64 {
        let source = self.sources.open(queue, consumer);
        let tag = self.deliver(source, message);
        self.sources.close(source);
        tag
    }

    /// Closes the channel; the second time there is nothing left to give back.
    pub(crate) fn close(&mut self, reason: Option<AmqpError>) -> Option<ChannelRemains<Q>> {
        if !self.is_open() {
            return None;
        }
        self.state = ChannelState::Closed(reason);
        // What a transaction acknowledged and did not commit is unsettled, as the rest.
        let held_bytes = self.abandon_transaction();
        let unsettled = self.settle_all();
        let consumers = std::mem::take(&mut self.consumers).into_values().collect();
        let reply_consumer = self.reply_consumer.take();
        Some(ChannelRemains { consumers, reply_consumer, unsettled, held_bytes })
    }
}
