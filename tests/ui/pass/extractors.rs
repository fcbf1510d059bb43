//! Every extractor, bare and in `Option` and `Result`, and a user's own.

use std::convert::Infallible;

use serde::Deserialize;
use springhare::prelude::*;
use springhare::{DeliveryContext, FromDelivery, Requirements};

#[derive(Deserialize)]
struct Order {
    _id: u64,
}

struct Db;

struct Shop(String);

impl<'d> FromDelivery<'d> for Shop {
    type Rejection = Infallible;

    fn from_delivery(_: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self("corner".to_owned()))
    }

    fn require(requirements: &mut Requirements) {
        requirements.state::<Db>();
    }
}

#[rabbit_listener(queue = "q")]
async fn json(Json(_order): Json<Order>) {}

#[rabbit_listener(queue = "q")]
async fn text(Text(_line): Text) {}

#[rabbit_listener(queue = "q")]
async fn bytes(_body: Bytes) {}

#[rabbit_listener(queue = "q")]
async fn message(_message: Message, _headers: Headers, _properties: Properties) {}

#[rabbit_listener(queue = "q", ack = "manual")]
async fn settlement(channel: Channel, tag: DeliveryTag) -> ListenerResult {
    channel.ack(tag).await?;
    Ok(())
}

#[rabbit_listener(queue = "q")]
async fn delivery(_redelivered: Redelivered, _count: DeliveryCount, _tag: ConsumerTag) {}

#[rabbit_listener(queue = "q")]
async fn route(_key: RoutingKey, _exchange: ExchangeName, _queue: QueueName) {}

#[rabbit_listener(queue = "q")]
async fn properties(_id: Option<MessageId>, _id2: Option<CorrelationId>, _to: Option<ReplyTo>) {}

#[rabbit_listener(queue = "q")]
async fn application(_db: State<Db>, _rabbit: RabbitTemplate, Shop(_name): Shop) {}

#[rabbit_listener(queue = "q")]
async fn perhaps(_order: Option<Json<Order>>) {}

#[rabbit_listener(queue = "q")]
async fn failing(_order: Result<Json<Order>, <Json<Order> as FromDelivery<'static>>::Rejection>) {}

#[rabbit_listener(queue = "q")]
async fn payload(#[payload] _order: Order) {}

#[rabbit_listener(queue = "q")]
async fn header(
    #[header("x-id")] _id: i64,
    #[header("x-shop")] _shop: Option<String>,
    #[header("x-level", default = 2 + 1)] _level: i32,
) {
}

#[rabbit_listener(queue = "q")]
async fn nothing() {}

fn main() {
    let listed = springhare::listeners![
        json,
        text,
        bytes,
        message,
        settlement,
        delivery,
        route,
        properties,
        application,
        perhaps,
        failing,
        payload,
        header,
        nothing,
    ];
    let _ = listed;
}
