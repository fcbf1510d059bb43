//! Arguments that borrow from the delivery, with named, elided and `'static` lifetimes.

use std::borrow::Cow;
use std::future::ready;

use serde::Deserialize;
use springhare::prelude::*;
use springhare::{DeliveryContext, FromDelivery, ListenerError};

#[derive(Deserialize)]
struct Event<'a> {
    name: &'a str,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

struct Raw<'d>(&'d [u8]);

impl<'d> FromDelivery<'d> for Raw<'d> {
    type Rejection = ListenerError;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, ListenerError> {
        Ok(Self(cx.body()))
    }
}

#[rabbit_listener(queue = "q")]
async fn elided(Json(event): Json<Event<'_>>) -> ListenerResult {
    ready(()).await;
    let _ = (event.name, event.text.len());
    Ok(())
}

#[rabbit_listener(queue = "q")]
async fn named<'a, 'b: 'a>(Raw(raw): Raw<'a>, _key: RoutingKey, _more: Raw<'b>) {
    ready(()).await;
    let _ = raw.len();
}

#[rabbit_listener(queue = "q")]
async fn statical(Json(_words): Json<Vec<Cow<'static, str>>>, _f: State<for<'x> fn(&'x str)>) {
    ready(()).await;
}

#[rabbit_listener(queue = "q")]
async fn text(text: &str, #[header("x-shop")] shop: &str) {
    ready(()).await;
    let _ = (text, shop);
}

#[rabbit_listener(queue = "q")]
async fn bytes<'a>(bytes: &'a [u8], #[header("x-shop")] shop: Option<&'a str>) {
    ready(()).await;
    let _ = (bytes, shop);
}

fn main() {}
