use std::time::Duration;

use springhare_amqp::{Message, Property, ShortString};

use super::expiration;

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
}

impl PublishedMessage {
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

    /// The memory that the message is charged with, in bytes.
    #[must_use]
    pub fn charge(&self) -> usize {
        let properties = Self::PROPERTIES_FACTOR * self.message.properties.encoded_len();
        Self::OVERHEAD_BYTES + properties + self.message.body.len()
    }
}
