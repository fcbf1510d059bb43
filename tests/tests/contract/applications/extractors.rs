use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use springhare::SpringhareBuilder;
use springhare::amqp::FieldValue;
use springhare::prelude::*;
use springhare_tests::{Tell, Told, arrives, header_text, telling};

use crate::place::Place;

application!(
    a_value_comes_by_json_borrowed_or_as_the_payload,
    a_body_comes_as_text_as_bytes_and_in_its_message,
    properties_and_headers_come_as_they_were_sent,
    a_handler_knows_which_way_the_message_came,
    channel_tag_and_consumer_tag_are_those_of_the_delivery,
    the_publishers_names_may_be_required_or_not,
    times_and_the_user_come_as_they_were_sent,
    a_handler_has_the_applications_state_and_its_template,
);

pub(crate) type Said = State<Tell<String>>;

pub(crate) async fn start(
    builder: SpringhareBuilder,
) -> (Springhare, RabbitTemplate, Told<String>) {
    let (tell, told) = telling::<String>();
    let app = builder.manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    (app, rabbit, told)
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
    item: String,
}

#[derive(Debug, Deserialize)]
struct Event<'d> {
    id: u64,
    item: &'d str,
}

fn tea() -> Order {
    Order { id: 7, item: "tea".into() }
}

#[rabbit_listener(queue = "x.json")]
async fn json(Json(order): Json<Order>, said: Said) {
    said.tell(format!("json {} {}", order.id, order.item));
}

#[rabbit_listener(queue = "x.borrowed")]
async fn borrowed(Json(event): Json<Event<'_>>, said: Said) {
    said.tell(format!("borrowed {} {}", event.id, event.item));
}

#[rabbit_listener(queue = "x.payload")]
async fn payload(#[payload] order: Order, said: Said) {
    said.tell(format!("payload {} {}", order.id, order.item));
}

async fn a_value_comes_by_json_borrowed_or_as_the_payload(place: &Place) {
    let listeners = listeners![json, borrowed, payload];
    let (app, rabbit, mut told) = start(place.builder().listeners(listeners)).await;
    for kind in ["json", "borrowed", "payload"] {
        rabbit.convert_and_send(format!("x.{kind}"), &tea()).await.unwrap();
        assert_eq!(told.next().await, format!("{kind} 7 tea"));
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.text")]
async fn text(text: Text, said: Said) {
    said.tell(text.0);
}

#[rabbit_listener(queue = "x.lent")]
async fn lent(text: &str, said: Said) {
    said.tell(text.to_owned());
}

#[rabbit_listener(queue = "x.bytes")]
async fn bytes(bytes: Bytes, said: Said) {
    said.tell(format!("{bytes:?}"));
}

#[rabbit_listener(queue = "x.slice")]
async fn slice(bytes: &[u8], said: Said) {
    said.tell(format!("{bytes:?}"));
}

#[rabbit_listener(queue = "x.message")]
async fn message(Message { properties, body, .. }: Message, said: Said) {
    said.tell(format!("{body:?} {:?}", properties.content_type.as_deref()));
}

async fn a_body_comes_as_text_as_bytes_and_in_its_message(place: &Place) {
    let listeners = listeners![text, lent, bytes, slice, message];
    let (app, rabbit, mut told) = start(place.builder().listeners(listeners)).await;
    for (queue, expected) in [
        ("x.text", "ok"),
        ("x.lent", "ok"),
        ("x.bytes", r#"b"ok""#),
        ("x.slice", "[111, 107]"),
        ("x.message", r#"b"ok" Some("text/plain")"#),
    ] {
        rabbit.convert_and_send(queue, "ok").await.unwrap();
        assert_eq!(told.next().await, expected, "{queue}");
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.properties")]
async fn properties(properties: Properties, headers: Headers, said: Said) {
    let level = headers.get("x-level").and_then(FieldValue::as_i64);
    said.tell(format!("{:?} {level:?} {}", properties.priority, headers.len()));
}

async fn properties_and_headers_come_as_they_were_sent(place: &Place) {
    let builder = place.builder().listeners(listeners![properties]);
    let (app, rabbit, mut told) = start(builder).await;
    rabbit.convert_and_send("x.properties", "").priority(5).header("x-level", 3).await.unwrap();
    assert_eq!(told.next().await, "Some(5) Some(3) 1");
    rabbit.convert_and_send("x.properties", "").await.unwrap();
    assert_eq!(told.next().await, "None None 0");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.way", exchange = "x.logs", kind = "topic", key = "*.error")]
async fn way(exchange: ExchangeName, key: RoutingKey, queue: QueueName, said: Said) {
    said.tell(format!("{exchange} {key} {queue}"));
}

async fn a_handler_knows_which_way_the_message_came(place: &Place) {
    let builder = place.builder().listeners(listeners![way]);
    let (app, rabbit, mut told) = start(builder).await;
    rabbit.convert_and_send(("x.logs", "kern.error"), "").await.unwrap();
    assert_eq!(told.next().await, "x.logs kern.error x.way");
    rabbit.convert_and_send("x.way", "").await.unwrap();
    assert_eq!(told.next().await, " x.way x.way");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.signed", ack = "manual")]
async fn sign(
    channel: Channel,
    tag: DeliveryTag,
    consumer: ConsumerTag,
    said: Said,
) -> ListenerResult {
    said.tell(format!("{} {}", tag.value(), consumer.is_empty()));
    let own = channel.basic_cancel(&consumer).await;
    said.tell(format!("{own:?}"));
    channel.ack(tag).await?;
    Ok(())
}

async fn channel_tag_and_consumer_tag_are_those_of_the_delivery(place: &Place) {
    let builder = place.builder().listeners(listeners![sign]);
    let (app, rabbit, mut told) = start(builder).await;
    rabbit.convert_and_send("x.signed", "").await.unwrap();
    assert_eq!(told.next().await, "1 false");
    assert_eq!(told.next().await, "Ok(())");
    app.stop().await.unwrap();
    // The tag has signed.
    place.has_left("x.signed", 0).await;
}

#[rabbit_listener(queue = "x.named")]
async fn named(id: MessageId, request: CorrelationId, reply: ReplyTo, said: Said) {
    said.tell(format!("{id} {request} {reply}"));
}

#[rabbit_listener(queue = "x.maybe_named")]
async fn maybe_named(
    id: Option<MessageId>,
    request: Option<CorrelationId>,
    reply: Option<ReplyTo>,
    said: Said,
) {
    said.tell(format!("{:?}", (id.as_deref(), request.as_deref(), reply.as_deref())));
}

async fn the_publishers_names_may_be_required_or_not(place: &Place) {
    let builder = place.builder().listeners(listeners![named, maybe_named]);
    let (app, rabbit, mut told) = start(builder).await;
    for (queue, expected) in [
        ("x.named", "m1 c1 answers"),
        ("x.maybe_named", r#"(Some("m1"), Some("c1"), Some("answers"))"#),
    ] {
        let call = rabbit.convert_and_send(queue, "").message_id("m1");
        call.correlation_id("c1").reply_to("answers").await.unwrap();
        assert_eq!(told.next().await, expected);
    }
    rabbit.convert_and_send("x.maybe_named", "").await.unwrap();
    assert_eq!(told.next().await, "(None, None, None)");
    rabbit.convert_and_send("x.named", "").await.unwrap();
    let parked = arrives(&rabbit, "x.named.error").await;
    let reason = header_text(&parked, "x-exception-message");
    assert!(reason.contains("no property `message_id`"), "{reason}");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.sent")]
async fn sent(
    delay: ReceivedDelay,
    user: Option<UserId>,
    time: Option<Timestamp>,
    app: Option<AppId>,
    said: Said,
) {
    let seconds = time.and_then(|time| time.time().duration_since(UNIX_EPOCH).ok());
    let (user, app) = (user.as_deref(), app.as_deref());
    said.tell(format!("{:?} {user:?} {seconds:?} {app:?}", delay.duration()));
}

/// The user is the broker's to check; a delay that is over stands in the header with a minus.
async fn times_and_the_user_come_as_they_were_sent(place: &Place) {
    let builder = place.builder().listeners(listeners![sent]);
    let (app, rabbit, mut told) = start(builder).await;
    let call = rabbit.convert_and_send("x.sent", "").header("x-delay", -1500).user_id("guest");
    call.timestamp(UNIX_EPOCH + Duration::from_secs(7)).app_id("shop").await.unwrap();
    assert_eq!(told.next().await, r#"1.5s Some("guest") Some(7s) Some("shop")"#);
    rabbit.convert_and_send("x.sent", "").await.unwrap();
    assert_eq!(told.next().await, "0ns None None None");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.first")]
async fn pass_on(text: Text, rabbit: RabbitTemplate, suffix: State<u32>) -> ListenerResult {
    rabbit.convert_and_send("x.second", format!("{text} {}", *suffix)).await?;
    Ok(())
}

async fn a_handler_has_the_applications_state_and_its_template(place: &Place) {
    let builder = place
        .builder()
        .listeners(listeners![pass_on])
        .declare(Queue::durable("x.second"))
        .manage(9_u32);
    let (app, rabbit, _told) = start(builder).await;
    rabbit.convert_and_send("x.first", "on").await.unwrap();
    assert_eq!(&*arrives(&rabbit, "x.second").await.body, b"on 9");
    app.stop().await.unwrap();
}
