//! What a listener was called with, and what became of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use springhare::Disposition;
use springhare::convert::Compression;
use springhare::prelude::*;
use springhare::test::{CallOutcome, Harness, Settlement};

use crate::place::{Place, time_passes_until};

cases!(
    a_call_shows_its_message_and_that_it_is_acknowledged,
    a_failed_call_shows_its_error_and_comes_back_after_its_pause,
    a_call_that_refuses_shows_what_became_of_its_message,
    a_body_that_is_no_order_fails_the_call_and_is_parked,
    a_reply_is_captured,
    what_a_manual_handler_settles_is_seen,
    calls_are_told_apart_by_their_listener,
);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[rabbit_listener(
    id = "orders",
    queue = "k.orders",
    exchange = "k",
    kind = "topic",
    key = "order.*"
)]
async fn fulfil(Json(order): Json<Order>, count: DeliveryCount) -> ListenerResult {
    match order.id {
        13 if count.value() < 2 => Err(ListenerError::msg("the shelf is empty")),
        14 => Err(ListenerError::reject_and_dont_requeue("no such thing")),
        _ => Ok(()),
    }
}

async fn orders(place: &Place) -> Harness {
    place.start(|app| app.listeners(listeners![fulfil])).await
}

async fn a_call_shows_its_message_and_that_it_is_acknowledged(place: &Place) {
    let h = orders(place).await;
    let order = Order { id: 1 };
    let rabbit = h.rabbit();
    let send = rabbit.convert_and_send(("k", "order.eu"), &order).header("x-shop", "7");
    send.compressed(Compression::Gzip).await.unwrap();
    let calls = h.listener("orders").await_calls(1).await;
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!(call.payload::<Order>().unwrap(), order);
    assert!(call.payload::<u32>().is_err());
    assert_eq!((call.exchange(), call.routing_key()), ("k", "order.eu"));
    assert_eq!((call.listener(), call.queue()), ("orders", "k.orders"));
    let headers = call.message().properties.headers.as_ref().unwrap();
    assert_eq!(headers.get("x-shop").and_then(|value| value.as_str()), Some("7"));
    assert_eq!((call.attempt(), call.is_redelivered()), (1, false));
    assert_eq!(call.outcome(), CallOutcome::Done);
    assert_eq!((call.error(), call.disposition(), call.reply()), (None, None, None));
    assert_eq!(call.settlement(), Some(Settlement::Acked));
    h.stop().await.unwrap();
}

async fn a_failed_call_shows_its_error_and_comes_back_after_its_pause(place: &Place) {
    let h = orders(place).await;
    h.rabbit().convert_and_send(("k", "order.eu"), &Order { id: 13 }).await.unwrap();
    let orders = h.listener("orders");
    let second = &orders.await_calls(2).await[1];
    assert_eq!((second.outcome(), second.attempt()), (CallOutcome::Failed, 2));
    assert_eq!(second.error(), Some("the shelf is empty"));
    assert_eq!(second.disposition(), Some(Disposition::Default));
    if place.url.is_none() {
        assert_eq!(second.settlement(), None, "no time has passed");
    }
    h.advance(Duration::from_millis(500)).await;
    let calls = orders.await_calls(3).await;
    assert_eq!(calls[0].settlement(), Some(Settlement::Requeued), "the first pause is none");
    assert!(second.settlement().is_some());
    assert_eq!((calls[2].outcome(), calls[2].attempt()), (CallOutcome::Done, 3));
    assert_eq!(calls[2].settlement(), Some(Settlement::Acked));
    h.stop().await.unwrap();
}

async fn a_call_that_refuses_shows_what_became_of_its_message(place: &Place) {
    let h = orders(place).await;
    h.rabbit().convert_and_send(("k", "order.eu"), &Order { id: 14 }).await.unwrap();
    let call = &h.listener("orders").await_calls(1).await[0];
    assert_eq!(call.disposition(), Some(Disposition::RejectAndDontRequeue));
    assert_eq!(call.settlement(), Some(Settlement::Rejected));
    h.stop().await.unwrap();
}

async fn a_body_that_is_no_order_fails_the_call_and_is_parked(place: &Place) {
    let h = orders(place).await;
    h.rabbit().convert_and_send(("k", "order.eu"), "tea").await.unwrap();
    let call = &h.listener("orders").await_settled(1).await[0];
    assert_eq!(call.disposition(), Some(Disposition::Fatal));
    assert_eq!(call.settlement(), Some(Settlement::Acked));
    assert_eq!(h.queue("k.orders.error").messages().await.unwrap()[0].body, "tea");
    h.stop().await.unwrap();
}

#[rabbit_listener(id = "prices", queue = "k.prices")]
async fn price(Text(item): Text) -> Json<usize> {
    Json(item.len())
}

async fn a_reply_is_captured(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![price])).await;
    let price: usize = h.rabbit().convert_send_and_receive("k.prices", "tea").await.unwrap();
    assert_eq!(price, 3);
    let call = &h.listener("prices").await_calls(1).await[0];
    assert_eq!(call.outcome(), CallOutcome::Replied);
    assert_eq!(call.reply().unwrap().body, "3");
    assert_eq!(call.settlement(), Some(Settlement::Acked));
    h.stop().await.unwrap();
}

/// The tags that a handler has kept.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<(Channel, DeliveryTag)>>);

#[rabbit_listener(id = "manual", queue = "k.manual", ack = "manual")]
async fn keep(
    Text(what): Text,
    channel: Channel,
    tag: DeliveryTag,
    kept: State<Arc<Kept>>,
) -> ListenerResult {
    match what.as_str() {
        "ack" => channel.ack(tag).await?,
        "nack" => channel.nack(tag, Requeue::No).await?,
        _ => kept.0.lock().unwrap().push((channel, tag)),
    }
    Ok(())
}

async fn what_a_manual_handler_settles_is_seen(place: &Place) {
    let kept = Arc::<Kept>::default();
    let h = place.start(|app| app.listeners(listeners![keep]).manage(Arc::clone(&kept))).await;
    for what in ["ack", "one", "nack", "two"] {
        h.rabbit().convert_and_send("k.manual", what).await.unwrap();
    }
    let calls = h.listener("manual").await_calls(4).await;
    let settlements = || calls.iter().map(|call| call.settlement()).collect::<Vec<_>>();
    let (acked, rejected) = (Some(Settlement::Acked), Some(Settlement::Rejected));
    assert_eq!(settlements(), [acked, None, rejected, None]);
    let (channel, tag) = kept.0.lock().unwrap().pop().unwrap();
    channel.ack_multiple(tag).await.unwrap();
    time_passes_until(&h, "all are settled", async || !settlements().contains(&None)).await;
    assert_eq!(settlements(), [acked, acked, rejected, acked], "up to the last one");
    h.stop().await.unwrap();
}

async fn calls_are_told_apart_by_their_listener(place: &Place) {
    let h = place.start(|app| app.listeners(listeners![fulfil, price])).await;
    h.rabbit().convert_and_send("k.prices", "tea").await.unwrap();
    h.rabbit().convert_and_send("k.orders", &Order { id: 1 }).await.unwrap();
    assert_eq!(h.listener("orders").await_calls(1).await.len(), 1);
    assert_eq!(h.listener("prices").await_calls(1).await.len(), 1);
    h.stop().await.unwrap();
}
