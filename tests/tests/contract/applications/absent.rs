use springhare::extract::JsonRejection;
use springhare::prelude::*;
use springhare::{DeliveryContext, FromDelivery};

use super::extractors::{Said, start};
use springhare_tests::{arrives, header_text};

use crate::place::Place;

application!(
    an_empty_body_is_none,
    a_handler_may_take_a_body_that_does_not_decode,
    headers_come_one_by_one_and_a_missing_one_is_named_where_it_is_parked,
    a_type_of_ones_own_is_an_argument_and_its_rejection_parks,
);

#[rabbit_listener(queue = "x.maybe_text")]
async fn maybe_text(text: Option<Text>, said: Said) {
    said.tell(format!("{:?}", text.as_deref()));
}

#[rabbit_listener(queue = "x.maybe_bytes")]
async fn maybe_bytes(bytes: Option<Bytes>, said: Said) {
    said.tell(format!("{bytes:?}"));
}

#[rabbit_listener(queue = "x.maybe_json")]
async fn maybe_json(number: Option<Json<u32>>, said: Said) {
    said.tell(format!("{:?}", number.as_deref()));
}

#[rabbit_listener(queue = "x.maybe_payload")]
async fn maybe_payload(#[payload] number: Option<u32>, said: Said) {
    said.tell(format!("{number:?}"));
}

async fn an_empty_body_is_none(place: &Place) {
    let listeners = listeners![maybe_text, maybe_bytes, maybe_json, maybe_payload];
    let (app, rabbit, mut told) = start(place.builder().listeners(listeners)).await;
    for (queue, present) in [
        ("x.maybe_text", r#"Some("5")"#),
        ("x.maybe_bytes", r#"Some(b"5")"#),
        ("x.maybe_json", "Some(5)"),
        ("x.maybe_payload", "Some(5)"),
    ] {
        rabbit.send(queue, Message::new("5")).await.unwrap();
        assert_eq!(told.next().await, present, "{queue}");
        rabbit.send(queue, Message::default()).await.unwrap();
        assert_eq!(told.next().await, "None", "{queue}");
    }
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.judged")]
async fn judge(number: Result<Json<u32>, JsonRejection>, said: Said) {
    match number {
        Ok(Json(number)) => said.tell(number.to_string()),
        Err(rejection) => said.tell(format!("bad from {}", rejection.receiver().queue())),
    }
}

async fn a_handler_may_take_a_body_that_does_not_decode(place: &Place) {
    let builder = place.builder().listeners(listeners![judge]);
    let (app, rabbit, mut told) = start(builder).await;
    rabbit.convert_and_send("x.judged", "{").await.unwrap();
    assert_eq!(told.next().await, "bad from x.judged");
    rabbit.convert_and_send("x.judged", &5).await.unwrap();
    assert_eq!(told.next().await, "5");
    app.stop().await.unwrap();
}

#[rabbit_listener(queue = "x.headed")]
async fn headed(
    #[header("x-id")] id: u64,
    #[header("x-try", default = 1)] attempt: i32,
    #[header("x-note")] note: Option<String>,
    said: Said,
) {
    said.tell(format!("{id} {attempt} {note:?}"));
}

async fn headers_come_one_by_one_and_a_missing_one_is_named_where_it_is_parked(place: &Place) {
    let builder = place.builder().listeners(listeners![headed]);
    let (app, rabbit, mut told) = start(builder).await;
    let all = rabbit.convert_and_send("x.headed", "").header("x-id", 7).header("x-try", 3);
    all.header("x-note", "now").await.unwrap();
    assert_eq!(told.next().await, r#"7 3 Some("now")"#);
    rabbit.convert_and_send("x.headed", "").header("x-id", 8).await.unwrap();
    assert_eq!(told.next().await, "8 1 None");
    rabbit.convert_and_send("x.headed", "lost").await.unwrap();
    let parked = arrives(&rabbit, "x.headed.error").await;
    assert_eq!(&*parked.body, b"lost");
    assert_eq!(header_text(&parked, "x-springhare-reason"), "fatal");
    let reason = header_text(&parked, "x-exception-message");
    assert!(reason.contains("no header 'x-id'") && reason.contains("x.headed"), "{reason}");
    app.stop().await.unwrap();
    assert!(told.is_silent());
}

/// The first word of the routing key, lent by the delivery.
struct Tenant<'d>(&'d str);

impl<'d> FromDelivery<'d> for Tenant<'d> {
    type Rejection = ListenerError;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, ListenerError> {
        let split = cx.routing_key().split_once('.');
        split.map(|(tenant, _)| Self(tenant)).ok_or_else(|| ListenerError::msg("no tenant"))
    }
}

#[rabbit_listener(queue = "x.own", exchange = "x.tenants", kind = "fanout")]
async fn own(tenant: Tenant<'_>, said: Said) {
    said.tell(tenant.0.to_owned());
}

async fn a_type_of_ones_own_is_an_argument_and_its_rejection_parks(place: &Place) {
    let builder = place.builder().listeners(listeners![own]);
    let (app, rabbit, mut told) = start(builder).await;
    rabbit.convert_and_send(("x.tenants", "acme.orders"), "").await.unwrap();
    assert_eq!(told.next().await, "acme");
    rabbit.convert_and_send(("x.tenants", "nobody"), "").await.unwrap();
    let parked = arrives(&rabbit, "x.own.error").await;
    assert_eq!(header_text(&parked, "x-exception-message"), "no tenant");
    app.stop().await.unwrap();
}
