use std::sync::{Arc, OnceLock};
use std::time::Duration;

use springhare_amqp::{Message, Property, ShortString};

use super::expiration;

use crate::model::carbon_copies::CarbonCopies;
use crate::model::stored::Stored;

/// A message as the broker keeps it: where it was published to, and what.
///
/// Shared by every queue that it was routed to; never changed once published.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedMessage {
    /// The exchange that it was published to; empty for the default exchange.
    pub exchange: ShortString,
    /// The routing key that it was published with.
    pub routing_key: ShortString,
    /// Properties and body.
    pub message: Message,
    /// What `CC` and `BCC` said when it was published; a message mostly has neither.
    copies: Option<Arc<CarbonCopies>>,
    /// Where the journal has it, if it does.
    stored: OnceLock<Stored>,
    /// The bytes of its properties on the wire: asked for several times, and under the locks of queues.
    properties_len: usize,
}

impl PublishedMessage {
    /// A message that is routed by this key alone.
    #[must_use]
    pub fn new(exchange: ShortString, routing_key: ShortString, message: Message) -> Self {
        let properties_len = message.properties.encoded_len();
        let stored = OnceLock::new();
        Self { exchange, routing_key, message, copies: None, stored, properties_len }
    }

    /// The same, routed by these keys too.
    pub(crate) fn with_copies(self, copies: Option<Arc<CarbonCopies>>) -> Self {
        Self { copies, ..self }
    }

    /// Where the journal has it, if it does.
    pub(crate) fn stored(&self) -> Option<&Stored> {
        self.stored.get()
    }

    /// The journal has it there; said once.
    pub(crate) fn set_stored(&self, stored: Stored) {
        let _ = self.stored.set(stored);
    }

    /// The same as another message, which the journal does not have yet.
    pub(crate) fn unstored(self) -> Self {
        Self { stored: OnceLock::new(), ..self }
    }

    /// Whether its publisher wants it to survive a restart.
    pub(crate) fn is_persistent(&self) -> bool {
        self.message.properties.is_persistent()
    }

    /// The keys that it is routed by beside its own: those of `CC`, then those of `BCC`.
    pub(crate) fn copies(&self) -> &[Box<str>] {
        self.copies.as_ref().map_or(&[], |copies| copies.keys())
    }

    /// Its routing key and those of `CC`: what everybody may see.
    pub(crate) fn open_routing_keys(&self) -> impl Iterator<Item = &str> {
        let open = self.copies.as_ref().map_or(&[][..], |copies| copies.open_keys());
        std::iter::once(self.routing_key.as_str()).chain(open.iter().map(AsRef::as_ref))
    }

    /// Its routing key, those of `CC` and those of `BCC`.
    pub(crate) fn routing_keys(&self) -> impl Iterator<Item = &str> {
        let copies = self.copies().iter().map(AsRef::as_ref);
        std::iter::once(self.routing_key.as_str()).chain(copies)
    }

    /// What it is routed by beside its own key, for another message that takes its ways.
    pub(crate) fn shared_copies(&self) -> Option<Arc<CarbonCopies>> {
        self.copies.clone()
    }

    /// What one message costs beside its properties and its body, in bytes: the shared
    /// allocation and its place in a queue.
    pub const OVERHEAD_BYTES: usize = 512;

    /// What properties count for each byte that they have on the wire: they are kept as they came,
    /// and mostly nobody decodes them; who does keeps about this.
    const PROPERTIES_FACTOR: usize = 4;

    /// How long the message says that it lives, in a queue each; what is no number of milliseconds
    /// was refused when it was published.
    pub(crate) fn expiration(&self) -> Option<Duration> {
        expiration::parse(&self.message.properties.text(Property::Expiration)?).ok()
    }

    /// The bytes of its properties and its body.
    pub(crate) fn content_len(&self) -> usize {
        self.properties_len + self.message.body.len()
    }

    /// The memory that the message is charged with, in bytes.
    #[must_use]
    pub fn charge(&self) -> usize {
        let properties = Self::PROPERTIES_FACTOR * self.properties_len;
        let copies = self.copies.as_ref().map_or(0, |copies| copies.size());
        Self::OVERHEAD_BYTES + properties + self.message.body.len() + copies
    }
}
