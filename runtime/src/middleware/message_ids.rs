use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use springhare_amqp::{Property, ShortString};
use springhare_broker::Publish;

use super::MessageProcessor;
use crate::error::Result;

/// Gives each message that goes out an id, as Spring's `createMessageIds` does: a random UUID as its
/// `message_id`, unless it has one. What is published by a template gets one, a reply, and what is in an
/// [`Outbox`](crate::Outbox); a batch of [`batching`](crate::RabbitTemplate::batching) has one id for
/// all of its messages.
///
/// A receiver can tell by it whether it has had a message before.
///
/// ```
/// use springhare::Springhare;
/// use springhare::middleware::MessageIds;
///
/// let builder = Springhare::builder().processor(MessageIds::new());
/// # drop(builder);
/// ```
#[derive(Debug)]
pub struct MessageIds {
    /// Keyed by the operating system's chance, each of its own.
    halves: [RandomState; 2],
    count: AtomicU64,
}

impl MessageIds {
    /// Ids that no other program has, nor another one of these.
    #[must_use]
    pub fn new() -> Self {
        Self { halves: [RandomState::new(), RandomState::new()], count: AtomicU64::new(0) }
    }

    /// The next one, in the form of a UUID of version 4 (RFC 9562).
    fn next(&self) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let [high, low] = self.halves.each_ref().map(|keys| {
            let mut hasher = keys.build_hasher();
            hasher.write_u64(number);
            hasher.finish()
        });
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        let (time, middle, version) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        let (variant, node) = (low >> 48, low & 0xffff_ffff_ffff);
        format!("{time:08x}-{middle:04x}-{version:04x}-{variant:04x}-{node:012x}")
    }
}

impl Default for MessageIds {
    fn default() -> Self {
        Self::new()
    }
}

impl MessageProcessor for MessageIds {
    fn before_publish(&self, publish: &mut Publish) -> Result<()> {
        let properties = &mut publish.message.properties;
        if !properties.has(Property::MessageId) {
            properties.message_id = Some(ShortString::new(self.next())?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_uuids_and_each_is_another() {
        let ids = MessageIds::new();
        let all: BTreeSet<_> = (0..1000).map(|_| ids.next()).collect();
        assert_eq!(all.len(), 1000);
        for id in all {
            let shape: String =
                id.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
            assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
            assert_eq!(&id[14..15], "4", "{id}");
            assert!(["8", "9", "a", "b"].contains(&&id[19..20]), "{id}");
        }
        assert_ne!(MessageIds::new().next(), MessageIds::new().next());
    }
}
