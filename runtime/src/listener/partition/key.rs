//! Which messages of a listener are handled one after the other.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::listener::context::DeliveryContext;

/// `partition_by`: what a message's key is taken from.
#[derive(Debug, Clone, Copy)]
pub enum PartitionBy {
    /// The routing key.
    RoutingKey,
    /// The property `correlation_id`.
    CorrelationId,
    /// The property `message_id`.
    MessageId,
    /// The header of this name.
    Header(&'static str),
    /// What the function says.
    Function(fn(&DeliveryContext) -> Option<PartitionKey>),
}

/// What messages have in common that are handled one after the other.
///
/// Two keys that are the same by chance cost time, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey(u64);

impl PartitionKey {
    /// The key of a value: equal values have equal keys.
    pub fn of(value: &(impl Hash + ?Sized)) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl PartitionBy {
    /// The message's key; without one it waits for nobody.
    pub(crate) fn key(self, cx: &DeliveryContext) -> Option<PartitionKey> {
        let properties = cx.properties();
        match self {
            Self::RoutingKey => Some(PartitionKey::of(&**cx.routing_key())),
            Self::CorrelationId => {
                properties.correlation_id.as_ref().map(|id| PartitionKey::of(&**id))
            }
            Self::MessageId => properties.message_id.as_ref().map(|id| PartitionKey::of(&**id)),
            Self::Header(name) => {
                let value = properties.header(name)?;
                Some(match value.as_str() {
                    Some(text) => PartitionKey::of(text),
                    None => PartitionKey::of(&format!("{value:?}")),
                })
            }
            Self::Function(key) => key(cx),
        }
    }
}

impl PartialEq for PartitionBy {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::RoutingKey, Self::RoutingKey)
            | (Self::CorrelationId, Self::CorrelationId)
            | (Self::MessageId, Self::MessageId) => true,
            (Self::Header(one), Self::Header(other)) => one == other,
            (Self::Function(one), Self::Function(other)) => std::ptr::fn_addr_eq(*one, *other),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_the_message_says() {
        let cx = DeliveryContext::for_test().route("logs", "kern.error");
        let cx = cx.header("x-customer", "ann").header("x-number", 5_i64).build();
        assert_eq!(PartitionBy::RoutingKey.key(&cx), Some(PartitionKey::of("kern.error")));
        assert_eq!(PartitionBy::Header("x-customer").key(&cx), Some(PartitionKey::of("ann")));
        assert!(PartitionBy::Header("x-number").key(&cx).is_some());
        for none in
            [PartitionBy::Header("x-none"), PartitionBy::MessageId, PartitionBy::CorrelationId]
        {
            assert_eq!(none.key(&cx), None, "{none:?}");
        }
        let by_length = |cx: &DeliveryContext| Some(PartitionKey::of(&cx.routing_key().len()));
        assert_eq!(PartitionBy::Function(by_length).key(&cx), Some(PartitionKey::of(&10_usize)));
    }
}
