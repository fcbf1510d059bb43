//! What an extractor sees: one delivery, and the listener that got it.

#[cfg(test)]
mod for_test;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use springhare_amqp::{BasicProperties, Message, ShortString};
use springhare_broker::{Delivery, PublishedMessage};

use crate::channel::{Channel, DeliveryTag, Settlement};
use crate::convert::MessageConverters;
use crate::state::StateRegistry;
use crate::template::RabbitTemplate;

/// What all deliveries of one consumer have in common.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerScope {
    pub(crate) listener_id: Arc<str>,
    pub(crate) queue: ShortString,
    pub(crate) consumer_tag: ShortString,
    pub(crate) channel: Channel,
    pub(crate) template: RabbitTemplate,
    pub(crate) states: Arc<StateRegistry>,
    pub(crate) converters: MessageConverters,
}

/// One delivery to a listener: what [`FromDelivery`](crate::FromDelivery) takes arguments from.
///
/// A consumer has one and puts each delivery into it in turn, so that a message costs no
/// allocation here.
#[derive(Debug)]
pub struct DeliveryContext {
    scope: ConsumerScope,
    delivery: Delivery,
    /// Made when the handler asks for the delivery tag, and only then.
    settlement: OnceLock<Arc<Settlement>>,
    /// What stands in for a delivery between two messages.
    nothing: Arc<PublishedMessage>,
}

impl DeliveryContext {
    pub(crate) fn new(scope: ConsumerScope) -> Self {
        let nothing = Arc::new(PublishedMessage {
            exchange: ShortString::EMPTY,
            routing_key: ShortString::EMPTY,
            message: Message::default(),
        });
        let delivery = no_delivery(&nothing);
        Self { scope, delivery, settlement: OnceLock::new(), nothing }
    }

    /// Makes `delivery` the one that extractors see.
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        self.delivery = delivery;
        self.settlement.take();
    }

    /// Lets go of the delivery, so that an idle consumer keeps no message alive.
    pub(crate) fn clear(&mut self) {
        let nothing = no_delivery(&self.nothing);
        self.deliver(nothing);
    }

    /// The settlement that the handler's delivery tag shares; none if it took no tag.
    pub(crate) fn settlement(&self) -> Option<&Arc<Settlement>> {
        self.settlement.get()
    }

    /// The delivery: tag, redelivered, message.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The message's properties.
    #[must_use]
    pub fn properties(&self) -> &BasicProperties {
        &self.delivery.message.message.properties
    }

    /// The message's body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.delivery.message.message.body
    }

    /// The exchange that the message was published to; empty for the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &ShortString {
        &self.delivery.message.exchange
    }

    /// The routing key that the message was published with.
    #[must_use]
    pub fn routing_key(&self) -> &ShortString {
        &self.delivery.message.routing_key
    }

    /// The queue that the message came from.
    #[must_use]
    pub fn queue(&self) -> &ShortString {
        &self.scope.queue
    }

    /// The consumer that got it.
    #[must_use]
    pub fn consumer_tag(&self) -> &ShortString {
        &self.scope.consumer_tag
    }

    /// The listener's id.
    #[must_use]
    pub fn listener_id(&self) -> &str {
        &self.scope.listener_id
    }

    /// The channel that the message came on.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.scope.channel.clone()
    }

    /// The right to settle the delivery; none once it was taken.
    #[must_use]
    pub fn take_delivery_tag(&self) -> Option<DeliveryTag> {
        let mut tag = None;
        self.settlement.get_or_init(|| {
            let settlement = Settlement::new(Arc::clone(&self.scope.listener_id));
            let value = self.delivery.delivery_tag;
            let epoch = self.scope.channel.epoch();
            tag = Some(DeliveryTag::new(value, epoch, Arc::clone(&settlement)));
            settlement
        });
        tag
    }

    /// The application's managed value of type `T`.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.scope.states.get()
    }

    /// The application's template.
    #[must_use]
    pub fn template(&self) -> &RabbitTemplate {
        &self.scope.template
    }

    /// How bodies become values.
    #[must_use]
    pub fn converters(&self) -> &MessageConverters {
        &self.scope.converters
    }
}

fn no_delivery(nothing: &Arc<PublishedMessage>) -> Delivery {
    Delivery {
        delivery_tag: 0,
        redelivered: false,
        delivery_count: 0,
        message: Arc::clone(nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_context_keeps_no_message_alive() {
        let mut cx = DeliveryContext::for_test().body("tea").build();
        let message = Arc::downgrade(&cx.delivery().message);
        drop(cx.take_delivery_tag());
        cx.clear();
        assert!(message.upgrade().is_none());
        assert!(cx.settlement().is_none());
        assert!(cx.body().is_empty());
    }
}
