//! Direct reply-to (RabbitMQ's extension): answers that pass no queue.
//!
//! A channel that consumes from the pseudo-queue `amq.rabbitmq.reply-to` gets an address. Its
//! messages that name the pseudo-queue as `reply_to` carry that address instead, and what
//! anybody publishes to the default exchange with the address as routing key goes straight to
//! the channel's consumer: at most once, and to nowhere when the consumer is gone or does not
//! read.
//!
//! Whoever knows an address can write to it, so it can't be guessed: it has 128 bits from the
//! operating system.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use ahash::AHashMap;
use springhare_amqp::{AmqpError, Message, MethodId, Property, ReplyCode, ShortString};

use super::channel_cell::ChannelCell;
use super::consume::{ConsumeRequest, ConsumerSource, StartedConsumer, consumer_tag};
use super::outbox::{ConsumerEnd, Counted, Outbox};
use super::queue_cell::QueueRef;
use super::virtual_host::VirtualHost;
use crate::model::channel::{Channel, ReplyConsumer, no_reply_consumer};
use crate::model::ids::ConsumerId;
use crate::model::message::PublishedMessage;
use crate::model::outlet::{Outlet, Reader};
use crate::model::queue::{Expires, QueueMessage};

/// What a channel consumes from to get direct replies.
pub(crate) static PSEUDO_QUEUE: ShortString = ShortString::from_static("amq.rabbitmq.reply-to");

/// What the addresses of reply consumers start with.
const ADDRESS_PREFIX: &str = "amq.rabbitmq.reply-to.";

/// The consumers of direct replies in a virtual host, by their addresses.
///
/// Its lock is taken under a channel's when a consumer starts, else alone.
#[derive(Debug, Default)]
pub(crate) struct ReplyConsumers(RwLock<AHashMap<ShortString, Arc<Outbox>>>);

impl ReplyConsumers {
    fn add(&self, address: ShortString, outbox: Arc<Outbox>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(address, outbox);
    }

    pub(crate) fn remove(&self, address: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(address);
    }

    fn find(&self, address: &str) -> Option<Arc<Outbox>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(address).cloned()
    }
}

/// Whether a queue of this name is none, but stands for direct replies.
pub(crate) fn is_pseudo_queue(name: &str) -> bool {
    name.starts_with(PSEUDO_QUEUE.as_str())
}

/// Whether a routing key of the default exchange leads to a consumer of direct replies, or to nowhere:
/// no queue has such a name.
pub(super) fn is_address(routing_key: &str) -> bool {
    routing_key.starts_with(ADDRESS_PREFIX)
}

impl VirtualHost {
    /// Whether a declaration of this name, which [is none of a queue](is_pseudo_queue), finds
    /// it: the pseudo-queue is always there, an address as long as its consumer.
    pub(crate) fn has_pseudo_queue(&self, name: &str) -> bool {
        *name == *PSEUDO_QUEUE || self.reply_consumers().find(name).is_some()
    }

    /// Hands a message that was published to the default exchange to the reply consumers that
    /// its routing keys name, and says whether there are any.
    pub(super) fn reply(&self, message: &Arc<PublishedMessage>) -> bool {
        if !message.exchange.is_empty() {
            return false;
        }
        if message.copies().is_empty() {
            return self.reply_at(&message.routing_key, message);
        }
        let keys: BTreeSet<&str> = message.routing_keys().collect();
        // Each of them, not only the first.
        keys.into_iter().filter(|key| self.reply_at(key, message)).count() > 0
    }

    fn reply_at(&self, address: &str, message: &Arc<PublishedMessage>) -> bool {
        if !is_address(address) {
            return false;
        }
        let Some(outbox) = self.reply_consumers().find(address) else { return false };
        let offered = outbox.offer_one(QueueMessage {
            position: 0,
            expires: Expires::NEVER,
            priority: 0,
            delivery_count: 0,
            redelivered: false,
            reference: None,
            charge: u32::try_from(message.charge()).unwrap_or(u32::MAX),
            message: Arc::clone(message),
        });
        if offered.taken == 0 {
            tracing::debug!("a direct reply is dropped: its consumer does not read");
        }
        if offered.reader == Reader::Asleep {
            outbox.wake();
        }
        true
    }
}

impl ChannelCell {
    /// Starts the consumer of this channel's direct replies. Whatever else was asked for has no
    /// meaning here, as on RabbitMQ.
    ///
    /// # Errors
    ///
    /// 530 for a tag in use, 406 if it would acknowledge, or is the second of its channel.
    pub(crate) fn consume_replies(
        self: &Arc<Self>,
        request: ConsumeRequest,
    ) -> Result<StartedConsumer, AmqpError> {
        let ConsumeRequest { tag, settlement, .. } = request;
        let address = new_address()?;
        let id = ConsumerId(self.virtual_host().next_id());
        let mut state = self.lock();
        state.channel.ensure_open(MethodId::BASIC_CONSUME)?;
        state.channel.ensure_free_tag(&tag)?;
        state.channel.ensure_no_reply_consumer(settlement)?;
        let tag = consumer_tag(tag);
        let outbox = self.new_outbox(id, &tag, (settlement, Counted::Here));
        state.outboxes.insert(id, Arc::clone(&outbox));
        // Under the channel's lock: one that is closed now finds and removes the address.
        self.virtual_host().reply_consumers().add(address.clone(), Arc::clone(&outbox));
        state.channel.set_reply_consumer(ReplyConsumer { id, tag: tag.clone(), address });
        Ok(StartedConsumer { tag, id, source: ConsumerSource::DirectReplies, outbox })
    }

    /// Ends the consumer of direct replies, if `remove` finds it, and says whether it did.
    /// Replies that it has not read are dropped.
    pub(super) fn cancel_replies(
        &self,
        remove: impl FnOnce(&mut Channel<QueueRef>) -> Option<ReplyConsumer>,
    ) -> bool {
        let (address, unread) = {
            let mut state = self.lock();
            let Some(consumer) = remove(&mut state.channel) else { return false };
            let outbox = state.outboxes.remove(&consumer.id);
            let unread = outbox.map(|outbox| outbox.end(ConsumerEnd::CancelledByUser));
            (consumer.address, unread)
        };
        self.virtual_host().reply_consumers().remove(&address);
        if let Some(unread) = unread {
            unread.wake_reader();
        }
        true
    }
}

/// Makes a message that asks for direct replies carry the address of its channel's consumer.
///
/// # Errors
///
/// 406 without such a consumer, and when the message came by no channel.
pub(super) fn address_replies(
    message: &mut Message,
    channel: Option<&ChannelCell>,
) -> Result<(), AmqpError> {
    if message.properties.text(Property::ReplyTo).as_ref() != Some(&PSEUDO_QUEUE) {
        return Ok(());
    }
    let channel = channel.ok_or_else(no_reply_consumer)?;
    let address = channel.lock().channel.reply_address()?;
    message.properties.set_reply_to(address);
    Ok(())
}

/// An address that nobody else has and nobody can guess.
fn new_address() -> Result<ShortString, AmqpError> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).map_err(|error| {
        let explanation = format_args!("no random bytes for a reply address: {error}");
        AmqpError::new(ReplyCode::InternalError, MethodId::BASIC_CONSUME, explanation)
    })?;
    let secret = u128::from_be_bytes(secret);
    Ok(ShortString::truncated(&format!("{ADDRESS_PREFIX}{secret:032x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_128_random_bits_behind_rabbitmqs_prefix() {
        let addresses: std::collections::HashSet<_> =
            (0..1000).map(|_| new_address().unwrap()).collect();
        assert_eq!(addresses.len(), 1000);
        let digits =
            |address: &ShortString| address.strip_prefix(ADDRESS_PREFIX).unwrap().to_owned();
        assert!(addresses.iter().all(|address| digits(address).len() == 32));
        // Every bit is random: none is the same in all of a thousand.
        let bits = addresses.iter().map(|a| u128::from_str_radix(&digits(a), 16).unwrap());
        let (ones, zeros) = bits.fold((0, 0), |(ones, zeros), bits| (ones | bits, zeros | !bits));
        assert_eq!((ones, zeros), (u128::MAX, u128::MAX));
    }
}
