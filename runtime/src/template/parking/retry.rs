//! Retry copies: a failed message on a queue whose broker does not count deliveries goes to the
//! end of its queue once more, as a copy that says how often it has failed and where it was
//! published to.

use springhare_amqp::{BasicProperties, FieldTable, FieldValue, Message, Property, ShortString};
use springhare_broker::PublishedMessage;

use super::{Extent, ParkReason, RabbitTemplate, carried_properties, is_too_large, parked, set};
use crate::connection::{Confirmation, DeliveryCounting};
use crate::error::Result;

/// How many deliveries had failed when the copy was made. It is not the `x-springhare-attempts`
/// of parked messages: one of those that is moved back to its queue starts anew.
const FAILURES: &str = "x-springhare-failures";
/// The queue that it is a copy in: one that is sent on elsewhere with its headers is none there.
const QUEUE: &str = "x-springhare-queue";
/// The exchange that the original was published to.
const EXCHANGE: &str = "x-springhare-exchange";
/// The routing key that the original was published with.
const ROUTING_KEY: &str = "x-springhare-routing-key";
/// How often it had been dead-lettered when the copy was made: a copy that was dead-lettered
/// since and brought back starts anew, as a message of a queue that counts does.
const DEATHS: &str = "x-springhare-deaths";

/// What a retry copy says of its original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retried {
    /// How many deliveries had failed when the copy was made.
    pub(crate) failures: u32,
    /// The exchange that the original was published to.
    pub(crate) exchange: ShortString,
    /// The routing key that the original was published with.
    pub(crate) routing_key: ShortString,
}

/// What became of a retry copy that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Republished {
    /// It is in the queue.
    Confirmed,
    /// The original's headers fill a frame: there is no room for those of a copy.
    NoRoom,
}

impl Retried {
    /// Exchange and key of a message's original, if it was a retry copy at some time: one that was
    /// dead-lettered and brought back is none any more.
    pub(crate) fn first_route(properties: &BasicProperties) -> Option<(&str, &str)> {
        let text = |name| properties.header(name).and_then(FieldValue::as_str);
        text(EXCHANGE).zip(text(ROUTING_KEY))
    }

    /// What `message` says of its original; none if it is no retry copy. What was published to an
    /// exchange, or has no headers, is not looked into.
    pub(crate) fn of(message: &PublishedMessage) -> Option<Self> {
        let properties = &message.message.properties;
        let may_be_copy = message.exchange.is_empty() && properties.has(Property::Headers);
        if !may_be_copy || !properties.has_header(FAILURES) {
            return None;
        }
        let headers = properties.headers.as_ref()?;
        let text = |name| headers.get(name).and_then(FieldValue::as_str);
        let made_before = headers.get(DEATHS).and_then(FieldValue::as_i64);
        if text(QUEUE) != Some(&*message.routing_key) || made_before != Some(deaths(headers)) {
            return None;
        }
        let failures = headers.get(FAILURES).and_then(FieldValue::as_i64)?;
        Some(Self {
            failures: u32::try_from(failures.max(0)).unwrap_or(u32::MAX),
            exchange: ShortString::truncated(text(EXCHANGE)?),
            routing_key: ShortString::truncated(text(ROUTING_KEY)?),
        })
    }
}

impl RabbitTemplate {
    /// On which queues the broker counts failed deliveries itself.
    pub(crate) fn delivery_counting(&self) -> DeliveryCounting {
        self.shared.publishing.delivery_counting()
    }

    /// Puts a copy of `original`, `failures` of whose deliveries have failed, at the end of its
    /// queue; `Ok` once the broker confirmed it.
    ///
    /// The copy does not wait at the broker's memory mark, as a parked one.
    pub(crate) async fn republish(
        &self,
        queue: &ShortString,
        original: &PublishedMessage,
        failures: u32,
    ) -> Result<Republished> {
        let publish = self.publish_of(queue.clone(), retry_copy(original, queue, failures))?;
        let sent = self.shared.publishing.publish_replacement(publish, Confirmation::Awaited).await;
        if is_too_large(&sent) {
            return Ok(Republished::NoRoom);
        }
        sent.map(|()| Republished::Confirmed)
    }
}

impl RabbitTemplate {
    /// Whether the message is a retry copy.
    pub(crate) fn is_retry(&self, message: &PublishedMessage) -> bool {
        Retried::of(message).is_some()
    }

    /// Sends what a retry copy was made of to its queue's dead-letter exchange, under the
    /// original's key, with what is known of its failure; `Ok` once the broker confirmed it. What
    /// reaches no queue there is dropped, as the broker drops it.
    pub(crate) async fn dead_letter(
        &self,
        exchange: &ShortString,
        copy: &PublishedMessage,
        reason: &ParkReason,
        attempts: u32,
    ) -> Result<()> {
        let (_, routing_key) = original_route(copy);
        let mut sent = Ok(());
        for extent in Extent::ALL {
            let message = parked(copy, reason, attempts, extent);
            let mut publish = self.publish_of((exchange, &routing_key), message)?;
            publish.mandatory = false;
            sent = self.shared.publishing.publish_replacement(publish, Confirmation::Awaited).await;
            if !is_too_large(&sent) {
                break;
            }
        }
        sent
    }
}

/// The message as it goes to its queue once more. Its expiration stays, and begins anew.
fn retry_copy(original: &PublishedMessage, queue: &ShortString, failures: u32) -> Message {
    let (exchange, routing_key) = original_route(original);
    let mut properties = carried_properties(original.message.properties.clone().into());
    let headers = properties.headers.get_or_insert_default();
    let deaths = deaths(headers);
    set(headers, FAILURES, i64::from(failures));
    set(headers, QUEUE, queue.clone());
    set(headers, EXCHANGE, exchange);
    set(headers, ROUTING_KEY, routing_key);
    set(headers, DEATHS, deaths);
    Message::new(original.message.body.clone()).with_properties(properties)
}

/// The exchange and the routing key that the message was published with before any copy.
pub(super) fn original_route(message: &PublishedMessage) -> (ShortString, ShortString) {
    match Retried::of(message) {
        Some(Retried { exchange, routing_key, .. }) => (exchange, routing_key),
        None => (message.exchange.clone(), message.routing_key.clone()),
    }
}

/// Takes out what a retry copy says of its original.
pub(super) fn forget_retries(headers: &mut FieldTable) {
    for name in [FAILURES, QUEUE, EXCHANGE, ROUTING_KEY, DEATHS] {
        headers.remove(name);
    }
}

/// How often the message was dead-lettered, by its `x-death`.
fn deaths(headers: &FieldTable) -> i64 {
    let Some(FieldValue::Array(deaths)) = headers.get("x-death") else { return 0 };
    let counts = deaths.iter().filter_map(|death| match death {
        FieldValue::Table(death) => death.get("count")?.as_i64(),
        _ => None,
    });
    counts.fold(0, i64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use springhare_amqp::{BasicProperties, DeliveryMode};

    const ORDERS: ShortString = ShortString::from_static("orders");

    fn original() -> PublishedMessage {
        let mut headers = FieldTable::new();
        headers.insert("x-id", 7).unwrap();
        headers.insert("CC", vec!["other"]).unwrap();
        headers.insert("x-delivery-count", 3).unwrap();
        PublishedMessage::new(
            ShortString::from_static("shop"),
            ShortString::from_static("order.new"),
            Message::new("tea").with_properties(BasicProperties {
                headers: Some(headers),
                expiration: Some(ShortString::from_static("1000")),
                user_id: Some(ShortString::from_static("guest")),
                delivery_mode: Some(DeliveryMode::Persistent),
                ..BasicProperties::default()
            }),
        )
    }

    /// As it comes back from a queue.
    fn published(routing_key: &'static str, message: Message) -> PublishedMessage {
        let routing_key = ShortString::from_static(routing_key);
        PublishedMessage::new(ShortString::EMPTY, routing_key, message)
    }

    fn died(mut message: Message) -> Message {
        let mut death = FieldTable::new();
        death.insert("count", 1_i64).unwrap();
        let deaths = FieldValue::Array(vec![FieldValue::Table(death)]);
        message.properties.set_header(ShortString::from_static("x-death"), deaths);
        message
    }

    #[test]
    fn a_copy_tells_its_original_and_goes_nowhere_else() {
        let original = original();
        assert_eq!(Retried::of(&original), None);
        let copy = retry_copy(&original, &ORDERS, 2);
        let properties = &copy.properties;
        for name in ["CC", "x-delivery-count"] {
            assert!(properties.header(name).is_none(), "{name}");
        }
        assert!(properties.header("x-original-CC").is_some());
        assert_eq!(properties.header("x-id").and_then(FieldValue::as_i64), Some(7));
        let user_id = properties.header("x-original-userId").and_then(FieldValue::as_str);
        assert_eq!((user_id, &properties.user_id), (Some("guest"), &None));
        assert_eq!(properties.expiration.as_deref(), Some("1000"));
        assert!(properties.is_persistent());
        let told = Retried {
            failures: 2,
            exchange: ShortString::from_static("shop"),
            routing_key: ShortString::from_static("order.new"),
        };
        let copy = published("orders", copy);
        assert_eq!(Retried::of(&copy), Some(told.clone()));
        // A copy of the copy tells the same original.
        let again = published("orders", retry_copy(&copy, &ORDERS, 3));
        assert_eq!(Retried::of(&again), Some(Retried { failures: 3, ..told }));
        assert_eq!(again.message.properties.headers, {
            let mut headers = copy.message.properties.headers.clone().unwrap();
            set(&mut headers, FAILURES, 3_i64);
            Some(headers)
        });
    }

    #[test]
    fn a_transient_message_stays_one() {
        let copy = retry_copy(&published("orders", Message::new("tea")), &ORDERS, 2);
        assert_eq!(copy.properties.delivery_mode, None);
    }

    #[test]
    fn a_copy_that_was_sent_on_or_dead_lettered_since_starts_anew() {
        let copy = retry_copy(&original(), &ORDERS, 2);
        assert_eq!(Retried::of(&published("elsewhere", copy.clone())), None);
        let mut elsewhere = published("orders", copy.clone());
        elsewhere.exchange = ShortString::from_static("shop");
        assert_eq!(Retried::of(&elsewhere), None);
        let back = published("orders", died(copy));
        assert_eq!(Retried::of(&back), None);
        // It is counted from there on.
        let next = published("orders", retry_copy(&back, &ORDERS, 2));
        assert_eq!(Retried::of(&next).map(|retried| retried.failures), Some(2));
    }
}
