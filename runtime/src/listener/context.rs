//! What an extractor sees: one delivery, and the listener that got it.

mod batch;
#[cfg(test)]
mod for_test;
mod part;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use springhare_amqp::{BasicProperties, FieldValue, Message, ShortString};
use springhare_broker::{Delivery, PublishedMessage};

use super::extras::Extras;
use super::function::SharedHandler;
use super::handling::Served;
use super::key_path::KeyPath;
use super::observe::Observing;
use super::outgoing::Outgoing;
use super::pacing::Failures;
pub use batch::BatchContext;
pub(crate) use batch::Verdicts;
pub(super) use part::Part;

use crate::channel::{Channel, DeliveryTag, Settlement};
use crate::convert::{ConversionError, MessageConverters, content};
use crate::state::StateRegistry;
use crate::template::{DeathEntry, RabbitTemplate, Retried};

/// What all deliveries of one consumer have in common.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerScope {
    pub(crate) queue: ShortString,
    pub(crate) consumer_tag: ShortString,
    pub(crate) channel: Channel,
    pub(crate) template: RabbitTemplate,
    pub(crate) states: Arc<StateRegistry>,
    /// Who looks at its deliveries.
    pub(crate) observing: Option<Observing>,
}

/// One delivery to a listener: what [`FromDelivery`](crate::FromDelivery) takes arguments from.
///
/// A consumer has one and puts each delivery into it in turn, so that a message costs no
/// allocation here.
#[derive(Debug)]
pub struct DeliveryContext {
    scope: ConsumerScope,
    /// The listener that the delivery is for.
    served: Arc<Served>,
    delivery: Delivery,
    /// Made when the handler asks for the delivery tag, and only then.
    settlement: OnceLock<Arc<Settlement>>,
    /// Which call of the handler with this delivery it is, from 1.
    attempt: u32,
    /// How often it has failed here where a redelivery would have been in place.
    failed_here: u32,
    /// What the message says of its original, if it is a retry copy; looked up when somebody asks.
    retried: OnceLock<Option<Retried>>,
    /// What few deliveries have.
    extras: OnceLock<Box<Extras>>,
    /// What stands in for a delivery between two messages.
    nothing: Arc<PublishedMessage>,
}

impl DeliveryContext {
    pub(crate) fn new(scope: ConsumerScope, served: Arc<Served>) -> Self {
        let nothing = Arc::new(PublishedMessage::new(
            ShortString::EMPTY,
            ShortString::EMPTY,
            Message::default(),
        ));
        let delivery = no_delivery(&nothing);
        let (settlement, retried, extras) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self {
            scope,
            served,
            delivery,
            settlement,
            attempt: 1,
            failed_here: 0,
            retried,
            extras,
            nothing,
        }
    }

    /// A context for another delivery to the same consumer.
    pub(crate) fn sibling(&self) -> Self {
        Self::new(self.scope.clone(), Arc::clone(&self.served))
    }

    /// Makes `delivery` the one that extractors see.
    pub(crate) fn deliver(&mut self, delivery: Delivery) {
        self.delivery = delivery;
        self.settlement.take();
        self.attempt = 1;
        self.failed_here = 0;
        self.retried.take();
        self.extras.take();
    }

    /// Makes it ready for another call with the same delivery, whose handler gets a delivery tag
    /// of its own: whoever has the last one's settles nothing more.
    pub(crate) fn renew(&mut self) {
        self.settlement.take();
        if let Some(extras) = self.extras.get_mut() {
            extras.outgoing.take();
        }
        self.attempt = self.attempt.saturating_add(1);
    }

    /// The same delivery for who may look at it, and not settle it.
    pub(super) fn for_onlookers(&self) -> Self {
        let mut same = self.sibling();
        same.deliver(self.delivery.clone());
        (same.attempt, same.failed_here) = (self.attempt, self.failed_here);
        if let Some(processed) = self.extras.get().and_then(|extras| extras.processed.get()) {
            // It has none yet.
            let _ = same.extras().processed.set(Arc::clone(processed));
        }
        same.discard();
        same
    }

    /// Nobody gets the delivery: who took it settles it.
    pub(super) fn discard(&self) {
        self.extras().discarded.get_or_init(|| ());
    }

    /// Whether nobody gets it.
    pub(super) fn is_discarded(&self) -> bool {
        self.extras.get().is_some_and(|extras| extras.discarded.get().is_some())
    }

    /// The delivery has failed, and its handler is called again where others are delivered again.
    pub(crate) fn fail_here(&mut self) {
        self.failed_here = self.failed_here.saturating_add(1);
    }

    /// The handler has not failed, and what it came to could not be sent.
    pub(crate) fn forgive(&mut self) {
        self.attempt = 0;
    }

    /// How often the handler has failed with this delivery, once it has failed.
    pub(crate) fn failed_calls(&self) -> u32 {
        self.attempt
    }

    /// Which call of the handler with this delivery it is, from 1; a listener with
    /// `retry(max_attempts = ..)` is called again.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Makes the delivery that of this listener: those that share a consumer take turns.
    pub(crate) fn serve(&mut self, served: &Arc<Served>) {
        if !Arc::ptr_eq(&self.served, served) {
            self.served = Arc::clone(served);
        }
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

    /// Who looks at the consumer's deliveries.
    pub(crate) fn observing(&self) -> Option<&Observing> {
        self.scope.observing.as_ref()
    }

    /// The channel that the delivery came on, by its number.
    pub(crate) fn epoch(&self) -> u64 {
        self.scope.channel.epoch()
    }

    /// What the message says of its original; none if it is no retry copy.
    pub(crate) fn retried(&self) -> Option<&Retried> {
        self.retried.get_or_init(|| Retried::of(&self.delivery.message)).as_ref()
    }

    /// How many deliveries of the message failed before this one, as far as anybody counts.
    pub(crate) fn failures(&self) -> Failures {
        let counting = self.scope.template.delivery_counting();
        Failures::of(&self.delivery, self.retried(), counting).and(self.failed_here)
    }

    /// The delivery as the broker made it: tag, redelivered, message.
    ///
    /// A message that failed more than once on a classic queue of RabbitMQ's, which counts no
    /// deliveries, is a copy: its count and where it was published to are in `x-springhare-..`
    /// headers. [`exchange`](Self::exchange) and [`routing_key`](Self::routing_key) tell the
    /// original's.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The message: as the broker delivered it, unless the application's
    /// [processors](crate::middleware::MessageProcessor) have changed it.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.published().message
    }

    /// The same with its route.
    pub(crate) fn published(&self) -> &Arc<PublishedMessage> {
        match self.extras.get() {
            None => &self.delivery.message,
            Some(extras) => extras.processed.get().unwrap_or(&self.delivery.message),
        }
    }

    /// Makes `message` the one that extractors see, before any of them has seen the broker's.
    pub(super) fn replace_message(&self, message: Message) {
        let PublishedMessage { exchange, routing_key, .. } = &*self.delivery.message;
        let processed = PublishedMessage::new(exchange.clone(), routing_key.clone(), message);
        // Nobody has set it before: there is one for each delivery.
        let _ = self.extras().processed.set(Arc::new(processed));
    }

    fn extras(&self) -> &Extras {
        self.extras.get_or_init(Box::default)
    }

    /// What goes out if the handler succeeds.
    pub(crate) fn outgoing(&self) -> &Outgoing {
        self.extras().outgoing.get_or_init(Outgoing::default)
    }

    /// Whether there is anything of it.
    pub(super) fn has_outgoing(&self) -> bool {
        self.extras.get().is_some_and(|extras| extras.outgoing.get().is_some())
    }

    /// The message's properties.
    #[must_use]
    pub fn properties(&self) -> &BasicProperties {
        &self.message().properties
    }

    /// The message's body as it was before it was compressed; without `content_encoding` that is the
    /// [`body`](Self::body).
    ///
    /// # Errors
    ///
    /// [`ConversionError`] when the content encoding is unknown, or the body does not inflate. That
    /// takes the feature `compression`.
    pub fn content(&self) -> Result<&Bytes, ConversionError> {
        if let Some(inflated) = self.extras.get().and_then(|extras| extras.inflated.get()) {
            return Ok(inflated);
        }
        match content(self.properties(), self.body())? {
            None => Ok(self.body()),
            Some(inflated) => Ok(self.extras().inflated.get_or_init(|| inflated)),
        }
    }

    /// The message's body, as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.message().body
    }

    /// The exchange that the message was published to; empty for the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &ShortString {
        self.retried().map_or(&self.delivery.message.exchange, |retried| &retried.exchange)
    }

    /// The routing key that the message was published with.
    #[must_use]
    pub fn routing_key(&self) -> &ShortString {
        self.retried().map_or(&self.delivery.message.routing_key, |retried| &retried.routing_key)
    }

    /// The other routes that may have led the message here: a carbon copy's, and those that it had
    /// before it was parked in an error queue, tried again or dead-lettered, the oldest first.
    pub(crate) fn earlier_routes(&self) -> impl Iterator<Item = (&str, &str)> {
        let properties = self.properties();
        let text = |name| properties.header(name).and_then(FieldValue::as_str);
        let first = Retried::first_route(properties);
        // A retry copy must not be copied once more: its keys stand under another name.
        let copies = ["CC", "x-original-CC"].into_iter().filter_map(|name| {
            let FieldValue::Array(keys) = properties.header(name)? else { return None };
            Some(keys.iter().filter_map(FieldValue::as_str))
        });
        let copies = copies.flatten();
        let copies = copies.map(|key| (&**self.exchange(), key));
        let parked = text("x-original-exchange").zip(text("x-original-routingKey"));
        let deaths = DeathEntry::all(properties).rev().flat_map(|death| {
            let exchange = death.text("exchange");
            death.routing_keys().filter_map(move |key| Some((exchange?, key)))
        });
        copies.chain(parked).chain(first).chain(deaths)
    }

    /// The listener's keys that have words in braces.
    pub(crate) fn key_paths(&self) -> &[KeyPath] {
        &self.served.key_paths
    }

    /// The key of the listener's that led the message here, and the words in place of its braces;
    /// none if no such key matches. What came by the default exchange came by no binding.
    pub(crate) fn key_path<'c>(&'c self) -> Option<(&'c KeyPath, Vec<&'c str>)> {
        let own = (&**self.exchange(), &**self.routing_key());
        let routes = std::iter::once(own).chain(self.earlier_routes());
        let mut routes = routes.filter(|(exchange, _)| !exchange.is_empty());
        routes.find_map(|(exchange, key)| {
            let words = |path: &'c KeyPath| Some((path, path.words_of(key)?));
            let paths = self.key_paths().iter();
            // The message may name an exchange that leads to that of the binding.
            let of_exchange = paths.clone().filter(|path| path.is_of(exchange)).find_map(words);
            of_exchange.or_else(|| paths.clone().find_map(words))
        })
    }

    /// The queue that the message came from.
    #[must_use]
    pub fn queue(&self) -> &ShortString {
        &self.scope.queue
    }

    /// The queue for who counts: all anonymous ones are one.
    pub(crate) fn counted_queue(&self) -> ShortString {
        match self.served.anonymous {
            true => ShortString::from_static("anonymous"),
            false => self.queue().clone(),
        }
    }

    /// The consumer that got it.
    #[must_use]
    pub fn consumer_tag(&self) -> &ShortString {
        &self.scope.consumer_tag
    }

    /// The listener's id.
    #[must_use]
    pub fn listener_id(&self) -> &str {
        &self.served.listener_id
    }

    /// What handles the listener's messages, where that is no function with an attribute.
    pub(crate) fn handler(&self) -> Option<&SharedHandler> {
        self.served.handler.as_ref()
    }

    pub(crate) fn shared_listener_id(&self) -> Arc<str> {
        Arc::clone(&self.served.listener_id)
    }

    /// The channel that the message came on.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.scope.channel.clone()
    }

    /// The right to settle the delivery; none once it was taken, and none where it is settled
    /// already: before its handler is called (`ack = "first"`, `ack = "none"`), or as it was
    /// [given up](crate::Discarded).
    #[must_use]
    pub fn take_delivery_tag(&self) -> Option<DeliveryTag> {
        if self.served.settled_before || self.is_discarded() {
            return None;
        }
        let mut tag = None;
        self.settlement.get_or_init(|| {
            let settlement = self.new_settlement();
            let value = self.delivery.delivery_tag;
            tag = Some(self.scope.channel.delivery_tag(value, Arc::clone(&settlement)));
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
        &self.served.converters
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

    /// A retry copy as it comes from the queue `test`.
    fn copy(failures: i64) -> DeliveryContext {
        let cx = DeliveryContext::for_test().route("", "test");
        cx.header("x-springhare-failures", failures)
            .header("x-springhare-queue", "test")
            .header("x-springhare-exchange", "logs")
            .header("x-springhare-routing-key", "kern.error")
            .header("x-springhare-deaths", 0_i64)
            .build()
    }

    #[test]
    fn a_retry_copy_is_seen_as_its_original_until_the_next_delivery() {
        let mut cx = copy(2);
        assert_eq!((&**cx.exchange(), &**cx.routing_key()), ("logs", "kern.error"));
        assert_eq!(cx.failures().before, 2);
        assert_eq!(&*cx.delivery().message.routing_key, "test");
        cx.clear();
        assert_eq!((&**cx.exchange(), &**cx.routing_key()), ("", ""));
        assert_eq!(cx.failures().before, 0);
    }

    #[test]
    fn another_call_with_the_same_delivery_has_a_tag_of_its_own() {
        let mut cx = DeliveryContext::for_test().build();
        let first = cx.take_delivery_tag().unwrap();
        assert!(cx.take_delivery_tag().is_none());
        assert!(cx.settlement().unwrap().claim());
        cx.renew();
        assert_eq!(cx.attempt(), 2);
        let second = cx.take_delivery_tag().unwrap();
        assert!(cx.settlement().unwrap().claim(), "the first tag has nothing to say any more");
        drop((first, second));
        cx.clear();
        assert_eq!(cx.attempt(), 1);
    }

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
