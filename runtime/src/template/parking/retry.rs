//! Retry copies: a failed message on a queue whose broker does not count deliveries goes to the
//! end of its queue once more, as a copy that says how often it has failed and where it was
//! published to.

use springhare_amqp::{BasicProperties, FieldTable, FieldValue, Message, Property, ShortString};
use springhare_broker::PublishedMessage;

use super::delay::{RETRY_EXCHANGE, X_DELAY, is_wait, wait_queue_prefix};
use super::{
    Extent, ParkReason, ParkedFrom, RabbitTemplate, carried_properties, is_too_large, parked, set,
};
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
const X_DEATH: &str = "x-death";
/// The `x-death` of a message while it waits in a queue for another delivery.
const ORIGINAL_DEATH: &str = "x-original-death";

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

/// Where a copy is until it comes to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// In a queue whose messages expire.
    InQueue,
    /// In none.
    Nowhere,
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
        let may_be_copy = (message.exchange.is_empty() || message.exchange == RETRY_EXCHANGE)
            && properties.has(Property::Headers);
        if !may_be_copy || !properties.has_header(FAILURES) {
            return None;
        }
        let headers = properties.headers.as_ref()?;
        let text = |name| headers.get(name).and_then(FieldValue::as_str);
        let made_before = headers.get(DEATHS).and_then(FieldValue::as_i64)?;
        let is_in_its_queue = text(QUEUE) == Some(&*message.routing_key);
        if !is_in_its_queue || deaths(headers, &message.routing_key) > made_before {
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
        let publish =
            self.publish_of(queue.clone(), retry_copy(original, queue, failures, Wait::Nowhere))?;
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
        from: ParkedFrom<'_>,
    ) -> Result<()> {
        let (_, routing_key) = original_route(copy);
        let mut sent = Ok(());
        for extent in Extent::ALL {
            let message = parked(copy, reason, from, extent);
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
///
/// One that waits in a queue until then has its deaths in another header: by these the broker could
/// take its way back for a loop, and drop it.
pub(super) fn retry_copy(
    original: &PublishedMessage,
    queue: &ShortString,
    failures: u32,
    wait: Wait,
) -> Message {
    let (exchange, routing_key) = original_route(original);
    let mut properties = carried_properties(original.message.properties.clone().into());
    let headers = properties.headers.get_or_insert_default();
    if wait == Wait::InQueue
        && let Some(deaths) = headers.remove(X_DEATH)
    {
        set(headers, ORIGINAL_DEATH, deaths);
    }
    tell_original(headers, queue, Retried { failures, exchange, routing_key });
    Message::new(original.message.body.clone()).with_properties(properties)
}

/// Writes down what a copy in `queue` says of its original.
pub(super) fn tell_original(headers: &mut FieldTable, queue: &ShortString, original: Retried) {
    let deaths = deaths(headers, queue);
    set(headers, FAILURES, i64::from(original.failures));
    set(headers, QUEUE, queue.clone());
    set(headers, EXCHANGE, original.exchange);
    set(headers, ROUTING_KEY, original.routing_key);
    set(headers, DEATHS, deaths);
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
    let queue = headers.get(QUEUE).and_then(FieldValue::as_str).map(str::to_owned);
    if let Some(queue) = queue {
        forget_waits(headers, &queue);
    }
    for name in [FAILURES, QUEUE, EXCHANGE, ROUTING_KEY, DEATHS] {
        headers.remove(name);
    }
}

/// Takes out what tells of waiting for another delivery, and puts back what was there before.
fn forget_waits(headers: &mut FieldTable, queue: &str) {
    if headers.get(X_DELAY).and_then(FieldValue::as_i64).is_some_and(i64::is_negative) {
        headers.remove(X_DELAY);
    }
    if let Some(FieldValue::Array(mut deaths)) = headers.remove(X_DEATH) {
        deaths.retain(|death| !is_wait(death, queue));
        if !deaths.is_empty() {
            set(headers, X_DEATH, FieldValue::Array(deaths));
        }
    }
    let prefix = wait_queue_prefix(queue);
    for which in ["x-first-death", "x-last-death"] {
        let name = headers.get(&format!("{which}-queue")).and_then(FieldValue::as_str);
        if name.is_some_and(|name| name.starts_with(&prefix)) {
            for what in ["queue", "reason", "exchange"] {
                headers.remove(&format!("{which}-{what}"));
            }
        }
    }
    if let Some(deaths) = headers.remove(ORIGINAL_DEATH)
        && headers.get(X_DEATH).is_none()
    {
        set(headers, X_DEATH, deaths);
    }
}

/// Whether the message was rejected from this queue before, by its `x-death`. Anybody may write the
/// header: what is no list of tables tells nothing.
pub(crate) fn was_rejected_from(message: &PublishedMessage, queue: &str) -> bool {
    let Some(headers) = &message.message.properties.headers else { return false };
    [X_DEATH, ORIGINAL_DEATH].into_iter().any(|name| {
        let Some(FieldValue::Array(deaths)) = headers.get(name) else { return false };
        deaths.iter().any(|death| {
            let FieldValue::Table(death) = death else { return false };
            let text = |name| death.get(name).and_then(FieldValue::as_str);
            text("queue") == Some(queue) && text("reason") == Some("rejected")
        })
    })
}

/// How often the message was dead-lettered, by its `x-death`, but for its waits for another
/// delivery to this queue.
fn deaths(headers: &FieldTable, queue: &str) -> i64 {
    let Some(FieldValue::Array(deaths)) = headers.get(X_DEATH) else { return 0 };
    let counts =
        deaths.iter().filter(|death| !is_wait(death, queue)).filter_map(|death| match death {
            FieldValue::Table(death) => death.get("count")?.as_i64(),
            _ => None,
        });
    counts.fold(0, i64::saturating_add)
}

/// A copy as it comes to its queue, once it has waited, or not.
#[cfg(test)]
pub(crate) fn copy_for_test(
    original: &PublishedMessage,
    queue: &ShortString,
    failures: u32,
    waits_in_queue: bool,
) -> Message {
    let wait = if waits_in_queue { Wait::InQueue } else { Wait::Nowhere };
    retry_copy(original, queue, failures, wait)
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
        let copy = retry_copy(&original, &ORDERS, 2, Wait::Nowhere);
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
        let again = published("orders", retry_copy(&copy, &ORDERS, 3, Wait::Nowhere));
        assert_eq!(Retried::of(&again), Some(Retried { failures: 3, ..told }));
        assert_eq!(again.message.properties.headers, {
            let mut headers = copy.message.properties.headers.clone().unwrap();
            set(&mut headers, FAILURES, 3_i64);
            Some(headers)
        });
    }

    #[test]
    fn a_transient_message_stays_one() {
        let copy = retry_copy(&published("orders", Message::new("tea")), &ORDERS, 2, Wait::Nowhere);
        assert_eq!(copy.properties.delivery_mode, None);
    }

    #[test]
    fn a_copy_that_was_sent_on_or_dead_lettered_since_starts_anew() {
        let copy = retry_copy(&original(), &ORDERS, 2, Wait::Nowhere);
        assert_eq!(Retried::of(&published("elsewhere", copy.clone())), None);
        let mut elsewhere = published("orders", copy.clone());
        elsewhere.exchange = ShortString::from_static("shop");
        assert_eq!(Retried::of(&elsewhere), None);
        let back = published("orders", died(copy));
        assert_eq!(Retried::of(&back), None);
        // It is counted from there on.
        let next = published("orders", retry_copy(&back, &ORDERS, 2, Wait::Nowhere));
        assert_eq!(Retried::of(&next).map(|retried| retried.failures), Some(2));
    }
}
