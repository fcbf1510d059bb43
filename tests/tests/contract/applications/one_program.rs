//! One program with a bit of everything.

use springhare::Error;
use springhare::prelude::*;
use springhare_tests::{Tell, arrives, header_text, telling};

use crate::place::Place;

application!(one_program_runs_on_any_broker);

#[rabbit_listener(queue = "p.numbers", exchange = "p", kind = "topic", key = "number.*")]
async fn number(number: Json<u32>, key: RoutingKey, seen: State<Tell<(String, u32)>>) {
    seen.tell((key.as_str().to_owned(), number.0));
}

#[rabbit_listener(exchange = "p", kind = "topic", key = "#", ack = "manual", prefetch = 1)]
async fn everything(
    text: Text,
    redelivered: Redelivered,
    channel: Channel,
    tag: DeliveryTag,
    seen: State<Tell<(String, bool)>>,
) -> ListenerResult {
    seen.tell((text.0.clone(), redelivered.is_redelivered()));
    if redelivered.is_redelivered() || text.0 == "7" {
        channel.ack(tag).await?;
        return Ok(());
    }
    Err(ListenerError::msg("once more"))
}

async fn one_program_runs_on_any_broker(place: &Place) {
    let (numbers_tell, mut numbers) = telling::<(String, u32)>();
    let (texts_tell, mut texts) = telling::<(String, bool)>();
    let builder = place.builder().listeners(listeners![number, everything]);
    let app = builder.manage(numbers_tell).manage(texts_tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("p", "number.one"), &7).await.unwrap();
    rabbit.convert_and_send(("p", "number.two"), "x").await.unwrap();
    assert_eq!(numbers.next().await, ("number.one".to_owned(), 7));
    assert_eq!(texts.next().await, ("7".to_owned(), false));
    assert_eq!(texts.next().await, ("x".to_owned(), false));
    assert_eq!(texts.next().await, ("x".to_owned(), true), "it failed and came back");
    let parked = arrives(&rabbit, "p.numbers.error").await;
    assert_eq!(&*parked.body, b"x");
    assert_eq!(header_text(&parked, "x-original-routingKey"), "number.two");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    place.has_left("p.numbers", 0).await;

    let missing = rabbit.convert_and_send(("p.missing", ""), "x").await.unwrap_err();
    assert!(matches!(missing, Error::NoExchange(_)), "{missing}");
    let unroutable = rabbit.convert_and_send("p.missing", "x").await.unwrap_err();
    assert!(matches!(unroutable, Error::Unroutable(_)), "{unroutable}");
    let many = (0..300_u32).map(|n| (("p", "number.many"), n.to_string()));
    // The manual listener would take each of them twice.
    let id = app.listener_ids().find(|id| id.ends_with("everything")).unwrap();
    app.stop_listener(&id).await.unwrap();
    rabbit.convert_and_send_all(many).await.unwrap();
    for expected in 0..300 {
        assert_eq!(numbers.next().await, ("number.many".to_owned(), expected));
    }
    app.stop().await.unwrap();
}
