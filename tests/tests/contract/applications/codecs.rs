use std::collections::BTreeMap;

use garde::Validate;
use serde::{Deserialize, Serialize};
use springhare::amqp::ShortString;
use springhare::convert::{CborConverter, Compression, IntoBody, MessageConverters};
use springhare::prelude::*;
use springhare::{Protobuf, Valid};
use springhare_tests::{Tell, arrives, header_number, header_text, ready, telling};

use crate::place::Place;

application!(
    a_listener_answers_in_the_format_that_it_chose,
    bodies_are_read_by_what_they_say_they_are,
    a_converter_that_was_given_a_name_is_chosen_by_it,
    protocol_buffers_go_there_and_back,
    a_compressed_body_comes_as_it_was_sent,
    a_body_in_an_unknown_encoding_is_given_up_at_once,
    a_text_in_another_charset_is_given_up_at_once,
    a_body_that_breaks_rules_is_given_up_and_they_are_named,
);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
struct Order {
    #[garde(length(min = 1))]
    item: String,
    #[garde(range(min = 1, max = 100))]
    count: u32,
}

fn tea(count: u32) -> Order {
    Order { item: "tea".to_owned(), count }
}

#[rabbit_listener(queue = "c.packed", converter = "msgpack")]
async fn answer_packed(#[payload] order: Order) -> Payload<Order> {
    Payload(tea(order.count + 1))
}

async fn a_listener_answers_in_the_format_that_it_chose(place: &Place) {
    let app = place.builder().listeners(listeners![answer_packed]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let answered: Order = rabbit.convert_send_and_receive("c.packed", &tea(1)).await.unwrap();
    assert_eq!(answered, tea(2), "JSON is read still, and so is what comes back");
    // {"item": "tea", "count": 5}, without a word on what it is.
    let bare = Message::new(&b"\x82\xa4item\xa3tea\xa5count\x05"[..]);
    let answer = rabbit.send_and_receive("c.packed", bare).await.unwrap();
    assert_eq!(answer.properties.content_type.as_deref(), Some("application/msgpack"));
    assert_eq!(&*answer.body, b"\x82\xa4item\xa3tea\xa5count\x06");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "c.any")]
async fn read_any(#[payload] order: Order, seen: State<Tell<Order>>) {
    seen.tell(order);
}

async fn bodies_are_read_by_what_they_say_they_are(place: &Place) {
    let (tell, mut orders) = telling::<Order>();
    let app = place.builder().listeners(listeners![read_any]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let order = b"\xa2\x64item\x63tea\x65count\x01";
    for (content_type, body) in [
        ("application/json", &b"{\"item\":\"tea\",\"count\":1}"[..]),
        ("application/x-msgpack", b"\x82\xa4item\xa3tea\xa5count\x01"),
        ("application/cbor; profile=order", order),
    ] {
        let mut message = Message::new(body);
        message.properties.content_type = Some(ShortString::from_static(content_type));
        rabbit.send("c.any", message).await.unwrap();
        assert_eq!(orders.next().await, tea(1), "{content_type}");
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "c.named", converter = "concise")]
async fn answer_concisely(#[payload] numbers: BTreeMap<String, u8>) -> Payload<usize> {
    Payload(numbers.len())
}

async fn a_converter_that_was_given_a_name_is_chosen_by_it(place: &Place) {
    let builder = place.builder().converter("concise", CborConverter);
    let app = builder.listeners(listeners![answer_concisely]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let request = Message::new(&b"\xa1\x61a\x01"[..]);
    let answer = rabbit.send_and_receive("c.named", request).await.unwrap();
    assert_eq!(answer.properties.content_type.as_deref(), Some("application/cbor"));
    assert_eq!(&*answer.body, b"\x01");
    app.stop().await.unwrap();
}

#[derive(Clone, PartialEq, prost::Message)]
struct Parcel {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    to: String,
}

#[rabbit_listener(queue = "c.parcels")]
async fn forward(Protobuf(parcel): Protobuf<Parcel>) -> Protobuf<Parcel> {
    Protobuf(Parcel { id: parcel.id + 1, ..parcel })
}

async fn protocol_buffers_go_there_and_back(place: &Place) {
    let app = place.builder().listeners(listeners![forward]).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let parcel = Parcel { id: 1, to: "Ada".to_owned() };
    let request = Protobuf(&parcel).into_body(&MessageConverters::new()).unwrap();
    let answer = rabbit.send_and_receive("c.parcels", request).await.unwrap();
    assert_eq!(answer.properties.content_type.as_deref(), Some("application/x-protobuf"));
    assert_eq!(&*answer.body, b"\x08\x02\x12\x03Ada");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "c.compressed")]
async fn read_compressed(
    Json(order): Json<Vec<Order>>,
    whole: Message,
    seen: State<Tell<(usize, bool)>>,
) {
    seen.tell((order.len(), whole.body.len() < 500));
}

async fn a_compressed_body_comes_as_it_was_sent(place: &Place) {
    let (tell, mut seen) = telling::<(usize, bool)>();
    let app = place
        .builder()
        .listeners(listeners![read_compressed])
        .declare(Queue::durable("c.received"))
        .manage(tell)
        .start()
        .await
        .unwrap();
    let rabbit = app.rabbit_template();
    let orders = vec![tea(1); 1000];
    for compression in [Compression::Gzip, Compression::Deflate] {
        let send = rabbit.convert_and_send("c.compressed", &orders);
        send.compressed(compression).await.unwrap();
        assert_eq!(seen.next().await, (1000, true));
        let send = rabbit.convert_and_send("c.received", &orders);
        send.compressed(compression).await.unwrap();
        let received = rabbit.receive_and_convert::<Vec<Order>>("c.received").await.unwrap();
        assert_eq!(received, Some(orders.clone()));
    }
    app.stop().await.unwrap();
}

async fn a_body_in_an_unknown_encoding_is_given_up_at_once(place: &Place) {
    let (tell, orders) = telling::<Order>();
    let app = place.builder().listeners(listeners![read_any]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let mut message = Message::new("{\"item\":\"tea\",\"count\":1}");
    message.properties.content_encoding = Some(ShortString::from_static("br"));
    rabbit.send("c.any", message).await.unwrap();
    let parked = arrives(&rabbit, "c.any.error").await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    assert_eq!(header_number(&parked, "x-springhare-attempts"), Some(1));
    assert!(header_text(&parked, "x-exception-message").contains("content encoding 'br'"));
    assert!(orders.is_silent());
    assert_eq!(ready(&rabbit, "c.any").await, 0);
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "c.text")]
async fn read_text(text: Text, seen: State<Tell<String>>) {
    seen.tell(text.0);
}

async fn a_text_in_another_charset_is_given_up_at_once(place: &Place) {
    let (tell, mut texts) = telling::<String>();
    let app = place.builder().listeners(listeners![read_text]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    let send = |charset| {
        let content_type = format!("text/plain;charset={charset}");
        rabbit.convert_and_send("c.text", "tea").content_type(content_type)
    };
    send("latin1").await.unwrap();
    send("UTF-8").await.unwrap();
    assert_eq!(texts.next().await, "tea");
    let parked = arrives(&rabbit, "c.text.error").await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    assert!(header_text(&parked, "x-exception-message").contains("charset 'latin1'"));
    app.stop().await.unwrap();
    assert!(texts.is_silent());
}

#[rabbit_listener(queue = "c.valid")]
async fn take_valid(Valid(Json(order)): Valid<Json<Order>>, seen: State<Tell<Order>>) {
    seen.tell(order);
}

async fn a_body_that_breaks_rules_is_given_up_and_they_are_named(place: &Place) {
    let (tell, mut orders) = telling::<Order>();
    let app = place.builder().listeners(listeners![take_valid]).manage(tell).start().await.unwrap();
    let rabbit = app.rabbit_template();
    rabbit.convert_and_send("c.valid", &Order { item: String::new(), count: 101 }).await.unwrap();
    rabbit.convert_and_send("c.valid", &tea(1)).await.unwrap();
    assert_eq!(orders.next().await, tea(1));
    let parked = arrives(&rabbit, "c.valid.error").await;
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    let exception = header_text(&parked, "x-exception-message");
    assert!(exception.contains("item: ") && exception.contains("count: "), "{exception}");
    assert!(orders.is_silent());
    app.stop().await.unwrap();
}
