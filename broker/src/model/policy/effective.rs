use std::time::Duration;

use springhare_amqp::{FieldValue, ShortString};

use super::CheckedPolicy;
use crate::model::arguments::{DeadLetterStrategy, DelayedRetry, DeliveryLimit, Overflow};
use crate::model::stream::interval;

/// What the policies say of one queue or exchange: its own and the operator's, merged.
///
/// How this goes together with the arguments is the queue's matter; what has no field here has no
/// effect on one node.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct EffectivePolicy {
    pub(crate) message_ttl: Option<Duration>,
    pub(crate) expires: Option<Duration>,
    pub(crate) max_length: Option<u64>,
    pub(crate) max_length_bytes: Option<u64>,
    pub(crate) overflow: Option<Overflow>,
    pub(crate) dead_letter_exchange: Option<ShortString>,
    pub(crate) dead_letter_routing_key: Option<ShortString>,
    pub(crate) alternate_exchange: Option<ShortString>,
    pub(crate) dead_letter_strategy: Option<DeadLetterStrategy>,
    pub(crate) delivery_limit: Option<DeliveryLimit>,
    pub(crate) delayed_retry: Option<DelayedRetry>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_segment_size_bytes: Option<u64>,
}

impl EffectivePolicy {
    /// What these two come to.
    pub(super) fn of(policy: Option<&CheckedPolicy>, operator: Option<&CheckedPolicy>) -> Self {
        let definition = |of: Option<&CheckedPolicy>, key: &str| {
            of.and_then(|checked| checked.policy().definition.get(key).cloned())
        };
        Self::read(|key| match (definition(policy, key), definition(operator, key)) {
            (Some(value), Some(limit)) => Some(merge(key, value, limit)),
            (value, limit) => value.or(limit),
        })
    }

    /// Reads values that were checked, so what does not fit is not there.
    fn read(get: impl Fn(&str) -> Option<FieldValue>) -> Self {
        let number = |key: &str| get(key).and_then(|value| value.as_i64());
        let unsigned = |key: &str| number(key).and_then(|number| u64::try_from(number).ok());
        let milliseconds = |key: &str| unsigned(key).map(Duration::from_millis);
        let name = |key: &str| {
            get(key).and_then(|value| value.as_str().and_then(|text| ShortString::new(text).ok()))
        };
        Self {
            message_ttl: milliseconds("message-ttl"),
            expires: milliseconds("expires"),
            max_length: unsigned("max-length"),
            max_length_bytes: unsigned("max-length-bytes"),
            overflow: get("overflow").map(|value| match value.as_str() {
                Some("reject-publish") => Overflow::RejectPublish,
                Some("reject-publish-dlx") => Overflow::RejectPublishDlx,
                _ => Overflow::DropHead,
            }),
            dead_letter_exchange: name("dead-letter-exchange"),
            dead_letter_routing_key: name("dead-letter-routing-key"),
            alternate_exchange: name("alternate-exchange"),
            dead_letter_strategy: get("dead-letter-strategy").map(|value| match value.as_str() {
                Some("at-least-once") => DeadLetterStrategy::AtLeastOnce,
                _ => DeadLetterStrategy::AtMostOnce,
            }),
            delivery_limit: number("delivery-limit").map(DeliveryLimit::from),
            delayed_retry: DelayedRetry::of(
                get("delayed-retry-type").as_ref().and_then(FieldValue::as_str),
                milliseconds("delayed-retry-min"),
                milliseconds("delayed-retry-max"),
            ),
            max_age: get("max-age").and_then(|value| interval(value.as_str()?)),
            max_segment_size_bytes: unsigned("stream-max-segment-size-bytes"),
        }
    }
}

/// What counts where both say something: of two limits the lower, otherwise the operator's word.
fn merge(key: &str, value: FieldValue, limit: FieldValue) -> FieldValue {
    let (Some(own), Some(operators)) = (value.as_i64(), limit.as_i64()) else { return limit };
    let is_lower = match key {
        "queue-version" => false,
        "delivery-limit" if own < 0 => false,
        "delivery-limit" if operators < 0 => true,
        _ => own < operators,
    };
    if is_lower { value } else { limit }
}
