use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::time::Duration;

use springhare_amqp::{FieldTable, MessageProperties, Property};

use crate::model::exchange::delay_of;
use crate::model::message::PublishedMessage;

/// A message on its way through the exchanges: all that they may look at.
///
/// Few exchanges look at more than the routing key. Headers are decoded only when one does, and let
/// go with this: what a peer packed into few bytes can be large. It remembers whether any did, since
/// else every message with this key goes the same way.
#[derive(Debug)]
pub(crate) struct RoutedMessage<'m> {
    routing_key: &'m str,
    copies: &'m [Box<str>],
    properties: &'m MessageProperties,
    random: fn() -> u64,
    headers: OnceCell<Option<Cow<'m, FieldTable>>>,
    beyond_the_keys: Cell<bool>,
}

impl<'m> RoutedMessage<'m> {
    /// A message with this routing key and those that its sender selected beside it; `random`
    /// gives another number at each call.
    pub(crate) fn new(
        routing_key: &'m str,
        copies: &'m [Box<str>],
        properties: &'m MessageProperties,
        random: fn() -> u64,
    ) -> Self {
        Self {
            routing_key,
            copies,
            properties,
            random,
            headers: OnceCell::new(),
            beyond_the_keys: Cell::new(false),
        }
    }

    /// A message that was published.
    pub(crate) fn of(published: &'m PublishedMessage, random: fn() -> u64) -> Self {
        let PublishedMessage { routing_key, message, .. } = published;
        Self::new(routing_key, published.copies(), &message.properties, random)
    }

    /// The routing key that it was published with.
    pub(crate) fn routing_key(&self) -> &'m str {
        self.routing_key
    }

    /// The routing keys beside that one.
    pub(crate) fn copies(&self) -> &'m [Box<str>] {
        self.copies
    }

    /// All its routing keys.
    pub(crate) fn routing_keys(&self) -> impl Iterator<Item = &'m str> {
        std::iter::once(self.routing_key).chain(self.copies.iter().map(AsRef::as_ref))
    }

    /// The headers; none when the message has none.
    pub(crate) fn headers(&self) -> Option<&FieldTable> {
        self.beyond_the_keys.set(true);
        self.headers.get_or_init(|| self.properties.headers_once()).as_deref()
    }

    /// The properties, of which no headers are to be read.
    pub(crate) fn properties(&self) -> &MessageProperties {
        self.beyond_the_keys.set(true);
        self.properties
    }

    /// A number by chance.
    pub(crate) fn random(&self) -> u64 {
        self.beyond_the_keys.set(true);
        (self.random)()
    }

    /// How long a delayed exchange keeps it; none if it does not.
    pub(crate) fn delay(&self) -> Option<Duration> {
        let has_headers = self.properties().has(Property::Headers);
        has_headers.then(|| delay_of(self.properties)).flatten()
    }

    /// Whether any exchange has looked at more than the routing keys.
    pub(crate) fn was_looked_at(&self) -> bool {
        self.beyond_the_keys.get()
    }
}
