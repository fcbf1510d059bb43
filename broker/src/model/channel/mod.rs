//! A channel: delivery tags, what is unsettled, prefetch, confirms, and what an error closes.
//!
//! Pure, and the only place where these rules stand: the embedded API calls it, and the wire will
//! feed it from frames. It names queues by a handle `Q` and never touches one: each input says
//! what is to be done to which queue.
//!
//! Transactions are a later step.

mod sources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use springhare_amqp::{AmqpError, MethodId, ReplyCode, ShortString};

use super::ids::ConsumerId;
use super::queue::{QueueMessage, SettlementMode};
use super::unsettled::{Unsettled, UnsettledDelivery};
use sources::Sources;

/// How many groups of settled deliveries are searched for one of the same source.
const RECENT_GROUPS: usize = 8;

/// A channel of a connection.
#[derive(Debug)]
pub(crate) struct Channel<Q> {
    state: ChannelState,
    consumers: BTreeMap<ShortString, ChannelConsumer<Q>>,
    sources: Sources<Q>,
    unsettled: Unsettled,
    last_delivery_tag: u64,
    /// The publish sequence number of the last message, in confirm mode.
    last_published: Option<u64>,
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

/// Deliveries of one queue and one consumer that were settled together, oldest first.
#[derive(Debug)]
pub(crate) struct Settled<Q> {
    pub(crate) queue: Q,
    /// The consumer that got them; none for a `basic.get`.
    pub(crate) consumer: Option<ConsumerId>,
    pub(crate) messages: Vec<QueueMessage>,
}

/// What an ack, nack or reject names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tags {
    One(u64),
    /// All up to the tag; 0 is all of the channel.
    UpTo(u64),
}

/// What a closed channel leaves behind for the engine to give back.
#[derive(Debug)]
pub(crate) struct ChannelRemains<Q> {
    pub(crate) consumers: Vec<ChannelConsumer<Q>>,
    pub(crate) unsettled: Vec<Settled<Q>>,
}

impl<Q: Clone> Channel<Q> {
    pub(crate) fn new() -> Self {
        Self {
            state: ChannelState::Open,
            consumers: BTreeMap::new(),
            sources: Sources::default(),
            unsettled: Unsettled::default(),
            last_delivery_tag: 0,
            last_published: None,
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

    /// Settles deliveries: each can be settled once, by the channel that got it.
    ///
    /// # Errors
    ///
    /// 406 `unknown delivery tag`, when a tag is none of an unsettled delivery.
    pub(crate) fn settle(
        &mut self,
        tags: Tags,
        method: MethodId,
    ) -> Result<Vec<Settled<Q>>, AmqpError> {
        let unknown = |tag| {
            let explanation = format!("unknown delivery tag {tag}");
            AmqpError::new(ReplyCode::PreconditionFailed, method, explanation)
        };
        match tags {
            Tags::One(tag) => {
                let delivery = self.unsettled.take(tag).ok_or_else(|| unknown(tag))?;
                Ok(self.group([delivery]))
            }
            Tags::UpTo(0) => Ok(self.settle_all()),
            Tags::UpTo(tag) => {
                let deliveries = self.unsettled.take_up_to(tag).ok_or_else(|| unknown(tag))?;
                Ok(self.group(deliveries))
            }
        }
    }

    /// Takes all unsettled deliveries.
    pub(crate) fn settle_all(&mut self) -> Vec<Settled<Q>> {
        let deliveries = self.unsettled.take_all();
        self.group(deliveries)
    }

    /// Groups deliveries by where they came from, each group oldest first.
    fn group(
        &mut self,
        deliveries: impl IntoIterator<Item = UnsettledDelivery>,
    ) -> Vec<Settled<Q>> {
        let mut groups: Vec<Settled<Q>> = Vec::with_capacity(1);
        let mut group_sources: Vec<usize> = Vec::with_capacity(1);
        let mut deliveries = deliveries.into_iter();
        while let Some(UnsettledDelivery { source, message }) = deliveries.next() {
            // Nearly always the last group; a second group of the same source does no harm.
            let recent = group_sources.len().saturating_sub(RECENT_GROUPS);
            let known = (recent..group_sources.len())
                .rev()
                .find(|&at| group_sources.get(at) == Some(&source));
            if let Some(group) = known.and_then(|at| groups.get_mut(at)) {
                group.messages.push(message);
            } else if let Some((queue, consumer)) = self.sources.get(source) {
                let mut messages = Vec::with_capacity(1 + deliveries.size_hint().0);
                messages.push(message);
                groups.push(Settled { queue, consumer, messages });
                group_sources.push(source);
            }
            self.sources.settled(source);
        }
        groups
    }

    /// Turns publisher confirms on; a second time changes nothing.
    pub(crate) fn select_confirms(&mut self) {
        self.last_published.get_or_insert(0);
    }

    /// The sequence number of the message that is published now; none without confirms.
    pub(crate) fn next_publish(&mut self) -> Option<u64> {
        let last = self.last_published.as_mut()?;
        *last += 1;
        Some(*last)
    }

    /// Closes the channel; the second time there is nothing left to give back.
    pub(crate) fn close(&mut self, reason: Option<AmqpError>) -> Option<ChannelRemains<Q>> {
        if !self.is_open() {
            return None;
        }
        self.state = ChannelState::Closed(reason);
        let unsettled = self.settle_all();
        let consumers = std::mem::take(&mut self.consumers).into_values().collect();
        Some(ChannelRemains { consumers, unsettled })
    }
}
