use std::convert::Infallible;
use std::time::Duration;

use springhare::prelude::*;
use springhare::{DeliveryContext, FromDelivery, ListenerStatus};
use springhare_tests::{Tell, Told, arrives, header_text, telling};

use crate::place::Place;

application!(
    a_message_goes_to_the_handler_of_the_most_specific_key,
    what_no_handler_takes_is_parked,
    a_failed_message_goes_to_its_handler_again,
    a_failed_carbon_copy_goes_to_its_handler_again,
    a_message_from_a_dead_letter_queue_goes_by_its_first_route,
    a_message_goes_by_the_exchange_that_leads_to_its_handlers,
    handlers_that_share_a_queue_start_and_stop_together,
    competing_handlers_take_what_comes,
);

/// Who got what.
type Said = State<Tell<(&'static str, String)>>;
type Heard = Told<(&'static str, String)>;

/// The id of the listener that a delivery is for.
struct Mine(String);

impl FromDelivery<'_> for Mine {
    type Rejection = Infallible;

    fn from_delivery(cx: &DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self(cx.listener_id().to_owned()))
    }
}

#[rabbit_listener(queue = "d.lines", exchange = "d.logs", kind = "topic", key = "kern.#")]
async fn kernel(line: Text, Mine(id): Mine, said: Said) {
    said.tell((if id.ends_with("::kernel") { "kernel" } else { "somebody else" }, line.0));
}

#[rabbit_listener(queue = "d.lines", exchange = "d.logs", kind = "topic", key = "*.error")]
async fn errors(line: Text, Mine(id): Mine, said: Said) {
    said.tell((if id.ends_with("::errors") { "errors" } else { "somebody else" }, line.0));
}

#[rabbit_listener(queue = "d.lines", exchange = "d.logs", kind = "topic", key = "kern.error")]
async fn kernel_errors(line: Text, said: Said) {
    said.tell(("kernel_errors", line.0));
}

#[rabbit_listener(queue = "d.lines", exchange = "d.all", kind = "fanout")]
async fn all(line: Text, said: Said) {
    said.tell(("all", line.0));
}

#[rabbit_listener(queue = "d.lines")]
async fn others(line: Text, said: Said) {
    said.tell(("others", line.0));
}

async fn hears(heard: &mut Heard, who: &'static str, what: &str) {
    assert_eq!(heard.next().await, (who, what.to_owned()));
}

async fn a_message_goes_to_the_handler_of_the_most_specific_key(place: &Place) {
    let (tell, mut heard) = telling();
    let handlers = listeners![kernel, errors, kernel_errors, all, others];
    let app = place.builder().listeners(handlers).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    place.has_consumers("d.lines", Some(1)).await;
    for (exchange, key, who) in [
        ("d.logs", "kern.error", "kernel_errors"),
        ("d.logs", "kern.warning", "kernel"),
        ("d.logs", "kern", "kernel"),
        ("d.logs", "mail.error", "errors"),
        ("d.logs", "kern.error", "kernel_errors"),
        ("d.all", "kern.error", "all"),
        ("", "d.lines", "others"),
    ] {
        rabbit.convert_and_send((exchange, key), key).await.unwrap();
        hears(&mut heard, who, key).await;
    }
    app.stop().await.unwrap();
    assert!(heard.is_silent());
}

#[rabbit_listener(
    queue = "d.halves",
    exchange = "d.h",
    kind = "direct",
    key = "left",
    ack = "manual"
)]
async fn left(half: Text, channel: Channel, tag: DeliveryTag, said: Said) -> ListenerResult {
    said.tell(("left", half.0));
    Ok(channel.ack(tag).await?)
}

#[rabbit_listener(
    queue = "d.halves",
    exchange = "d.h",
    kind = "direct",
    key = "right",
    ack = "manual"
)]
async fn right(half: Text, channel: Channel, tag: DeliveryTag, said: Said) -> ListenerResult {
    said.tell(("right", half.0));
    Ok(channel.ack(tag).await?)
}

async fn what_no_handler_takes_is_parked(place: &Place) {
    let (tell, mut heard) = telling();
    let app = place.builder().listeners(listeners![left, right]).manage(tell);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("d.halves", "whose?").await.unwrap();
    rabbit.convert_and_send(("d.h", "right"), "r").await.unwrap();
    rabbit.convert_and_send(("d.h", "left"), "l").await.unwrap();
    hears(&mut heard, "right", "r").await;
    hears(&mut heard, "left", "l").await;
    let parked = arrives(&rabbit, "d.halves.error").await;
    assert_eq!(&*parked.body, b"whose?");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "unmatched");
    assert_eq!(header_text(&parked, "x-original-routingKey"), "d.halves");
    let exception = header_text(&parked, "x-exception-message");
    assert!(exception.contains("::left") && exception.contains("::right"), "{exception}");
    // What was parked and had a route of a handler's finds it again.
    let route = rabbit.send("d.halves", parked).header("x-original-exchange", "d.h");
    route.header("x-original-routingKey", "left").await.unwrap();
    hears(&mut heard, "left", "whose?").await;
    app.stop().await.unwrap();
    place.has_left("d.halves", 0).await;
}

#[rabbit_listener(queue = "d.tried", exchange = "d.t", kind = "topic", key = "slow.*")]
async fn slow(word: Text, key: RoutingKey, count: DeliveryCount, said: Said) -> ListenerResult {
    said.tell((if &*key == "slow.one" { "slow" } else { "another key" }, word.0));
    if count.value() < 3 { Err(ListenerError::msg("not yet")) } else { Ok(()) }
}

#[rabbit_listener(queue = "d.tried", exchange = "d.t", kind = "topic", key = "#")]
async fn rest(word: Text, said: Said) {
    said.tell(("rest", word.0));
}

async fn a_failed_message_goes_to_its_handler_again(place: &Place) {
    let (tell, mut heard) = telling();
    let app = place.builder().listeners(listeners![slow, rest]).manage(tell);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("d.t", "slow.one"), "tea").await.unwrap();
    for _ in 0..4 {
        hears(&mut heard, "slow", "tea").await;
    }
    app.stop().await.unwrap();
    place.has_left("d.tried", 0).await;
    assert!(heard.is_silent());
}

#[rabbit_listener(queue = "d.copied", exchange = "d.c", kind = "topic", key = "orders.*")]
async fn ordered(word: Text, count: DeliveryCount, said: Said) -> ListenerResult {
    said.tell(("ordered", word.0));
    if count.value() < 3 { Err(ListenerError::msg("not yet")) } else { Ok(()) }
}

#[rabbit_listener(queue = "d.copied", exchange = "d.c", kind = "topic", key = "audit.*")]
async fn audited(word: Text, said: Said) {
    said.tell(("audited", word.0));
}

async fn a_failed_carbon_copy_goes_to_its_handler_again(place: &Place) {
    let (tell, mut heard) = telling();
    let app = place.builder().listeners(listeners![ordered, audited]).manage(tell);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    let to = ("d.c", "elsewhere.one");
    rabbit.convert_and_send(to, "tea").header("CC", vec!["orders.one"]).await.unwrap();
    for _ in 0..4 {
        hears(&mut heard, "ordered", "tea").await;
    }
    app.stop().await.unwrap();
    place.has_left("d.copied", 0).await;
    assert!(heard.is_silent());
}

#[rabbit_listener(
    queue = "d.died",
    exchange = "d.x",
    kind = "direct",
    key = "one",
    arguments(dead_letter = "", dead_letter_routing_key = "d.wait")
)]
async fn one(word: Text, said: Said) {
    said.tell(("one", word.0));
}

#[rabbit_listener(
    queue = "d.died",
    exchange = "d.x",
    kind = "direct",
    key = "two",
    arguments(dead_letter = "", dead_letter_routing_key = "d.wait")
)]
async fn two(word: Text, properties: Properties, said: Said) -> Outcome {
    said.tell(("two", word.0));
    if properties.header("x-death").is_some() { Outcome::Ack } else { Outcome::Reject }
}

/// The wait queue sends it straight to the queue, with no word of its key but in `x-death`.
async fn a_message_from_a_dead_letter_queue_goes_by_its_first_route(place: &Place) {
    let (tell, mut heard) = telling();
    let wait = Queue::durable("d.wait").ttl(Duration::from_millis(10));
    let wait = wait.dead_letter("").dead_letter_routing_key("d.died");
    let app = place.builder().listeners(listeners![one, two]).declare(wait).manage(tell);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send(("d.x", "two"), "tea").await.unwrap();
    hears(&mut heard, "two", "tea").await;
    hears(&mut heard, "two", "tea").await;
    app.stop().await.unwrap();
    place.has_left("d.died", 0).await;
}

#[rabbit_listener(queue = "d.inner", exchange = "d.in", kind = "topic", key = "a.*")]
async fn starts_with_a(word: Text, said: Said) {
    said.tell(("a", word.0));
}

#[rabbit_listener(queue = "d.inner", exchange = "d.in", kind = "topic", key = "b.*")]
async fn starts_with_b(word: Text, said: Said) {
    said.tell(("b", word.0));
}

async fn a_message_goes_by_the_exchange_that_leads_to_its_handlers(place: &Place) {
    let (tell, mut heard) = telling();
    let app = place
        .builder()
        .listeners(listeners![starts_with_a, starts_with_b])
        .declare(Exchange::topic("d.out"))
        .declare(Binding::exchange("d.in").to("d.out").with("#"))
        .declare(Exchange::direct("d.lost").alternate("d.out"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    for exchange in ["d.in", "d.out", "d.lost"] {
        for (key, who) in [("a.1", "a"), ("b.1", "b")] {
            rabbit.convert_and_send((exchange, key), exchange).await.unwrap();
            hears(&mut heard, who, exchange).await;
        }
    }
    app.stop().await.unwrap();
}

async fn handlers_that_share_a_queue_start_and_stop_together(place: &Place) {
    let (tell, mut heard) = telling();
    let app = place.builder().listeners(listeners![left, right]).manage(tell);
    let app = app.start().await.unwrap();
    let rabbit = app.rabbit_template();
    let ids: Vec<String> = app.listener_ids().collect();
    let [left, right] = ids.as_slice() else { panic!("{ids:?}") };
    assert!(left.ends_with("::left") && right.ends_with("::right"), "{ids:?}");
    app.stop_listener(left).await.unwrap();
    place.has_consumers("d.halves", Some(0)).await;
    let stopped = app.health();
    assert_eq!(stopped.listeners().len(), 2);
    let is_stopped = |status: &ListenerStatus| matches!(status, ListenerStatus::Stopped);
    assert!(stopped.listeners().iter().all(|one| is_stopped(one.status())), "{stopped:?}");
    rabbit.convert_and_send(("d.h", "right"), "r").await.unwrap();
    app.start_listener(right).await.unwrap();
    app.start_listener(left).await.unwrap();
    hears(&mut heard, "right", "r").await;
    place.has_consumers("d.halves", Some(1)).await;
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "d.work", exchange = "d.w", kind = "direct", key = "left", competing)]
async fn first_worker(work: Text, said: Said) {
    said.tell(("a worker", work.0));
}

#[rabbit_listener(queue = "d.work", exchange = "d.w", kind = "direct", key = "right", competing)]
async fn second_worker(work: Text, said: Said) {
    said.tell(("a worker", work.0));
}

async fn competing_handlers_take_what_comes(place: &Place) {
    let (tell, mut heard) = telling();
    let app = place.builder().listeners(listeners![first_worker, second_worker]).manage(tell);
    let app = app.start().await.unwrap();
    place.has_consumers("d.work", Some(2)).await;
    for (exchange, key) in [("d.w", "left"), ("d.w", "right"), ("", "d.work")] {
        app.rabbit_template().convert_and_send((exchange, key), key).await.unwrap();
        hears(&mut heard, "a worker", key).await;
    }
    app.stop().await.unwrap();
}
