//! A parked message as it was before it failed.

use springhare_amqp::{FieldTable, FieldValue, Message, ShortString};

use super::retry::{Retried, tell_original};

/// What [`parked`](super::parked) has added.
const ADDED: [&str; 5] = [
    "x-exception-message",
    "x-original-queue",
    "x-springhare-attempts",
    "x-springhare-headers",
    "x-springhare-reason",
];

/// The message as it goes to its queue once more, where nothing has failed yet. Its handler finds
/// its exchange and its key as those that it was published with.
pub(crate) fn restored(parked: &Message, queue: &ShortString) -> Message {
    let mut message = parked.clone();
    let mut headers = message.properties.headers.take().unwrap_or_default();
    for name in ADDED {
        headers.remove(name);
    }
    if let Some(expiration) = take(&mut headers, "x-original-expiration") {
        message.properties.expiration = Some(expiration);
    }
    let exchange = take(&mut headers, "x-original-exchange");
    let routing_key = take(&mut headers, "x-original-routingKey");
    if let (Some(exchange), Some(routing_key)) = (exchange, routing_key) {
        let original = Retried { failures: 0, exchange, routing_key };
        tell_original(&mut headers, queue, original);
    }
    message.properties.headers = Some(headers);
    message
}

fn take(headers: &mut FieldTable, name: &str) -> Option<ShortString> {
    headers.remove(name).as_ref().and_then(FieldValue::as_str).map(ShortString::truncated)
}

#[cfg(test)]
mod tests {
    use super::super::{Extent, ParkReason, ParkedFrom, parked};
    use super::*;
    use springhare_amqp::BasicProperties;
    use springhare_broker::PublishedMessage;

    const ORDERS: ShortString = ShortString::from_static("orders");

    #[test]
    fn what_was_parked_is_as_before_and_known_by_its_original_route() {
        let mut headers = FieldTable::new();
        headers.insert("x-id", 7).unwrap();
        let original = PublishedMessage::new(
            ShortString::from_static("shop"),
            ShortString::from_static("order.new"),
            Message::new("tea").with_properties(BasicProperties {
                headers: Some(headers),
                expiration: Some(ShortString::from_static("1000")),
                content_type: Some(ShortString::from_static("text/plain")),
                ..BasicProperties::default()
            }),
        );
        let reason = ParkReason::Fatal { exception: "no van".to_owned() };
        let from = ParkedFrom { queue: &ORDERS, attempts: 20 };
        let restored = restored(&parked(&original, &reason, from, Extent::Full), &ORDERS);
        assert_eq!(restored.properties.expiration.as_deref(), Some("1000"));
        assert_eq!(restored.properties.header("x-id").and_then(FieldValue::as_i64), Some(7));
        for name in ADDED.into_iter().chain(["x-original-exchange", "x-original-routingKey"]) {
            assert!(restored.properties.header(name).is_none(), "{name}");
        }
        let message = PublishedMessage::new(ShortString::EMPTY, ORDERS, restored);
        let told = Retried {
            failures: 0,
            exchange: ShortString::from_static("shop"),
            routing_key: ShortString::from_static("order.new"),
        };
        assert_eq!(Retried::of(&message), Some(told));
    }
}
