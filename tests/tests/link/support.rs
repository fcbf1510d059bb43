use std::net::SocketAddr;
use std::sync::Arc;

use springhare::connection::{
    Confirmation, Link, LinkChannel, LinkConnection, LinkPublisher, PublishCall, PublishResult,
};
use springhare_amqp::{Message, ShortString};
use springhare_broker::{Broker, BrokerBuilder, Publish, QueueDeclareOptions};
use springhare_tests::{RabbitMq, amqp_link, within_limit};

/// A broker that listens, and a link to it.
pub(crate) fn served(builder: BrokerBuilder) -> (Broker, SocketAddr) {
    let broker = builder.listen("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let address = broker.local_addrs()[0];
    (broker, address)
}

/// Runs a case on our broker and on RabbitMQ.
pub(crate) async fn on_both(case: impl AsyncFn(SocketAddr)) {
    let (_broker, address) = served(Broker::builder());
    case(address).await;
    if let Some(node) = RabbitMq::shared() {
        case(node.address()).await;
    }
}

pub(crate) async fn connect(address: SocketAddr) -> Arc<dyn LinkConnection> {
    within_limit("the connection", amqp_link(address).connect("link test")).await.unwrap()
}

/// A fresh queue.
pub(crate) async fn queue(channel: &dyn LinkChannel) -> ShortString {
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare("", options).await.unwrap().queue
}

pub(crate) fn publish(exchange: &str, key: &str, body: impl Into<bytes::Bytes>) -> Publish {
    Publish {
        exchange: ShortString::new(exchange).unwrap(),
        routing_key: ShortString::new(key).unwrap(),
        mandatory: true,
        message: Message::new(body),
    }
}

pub(crate) async fn send(publisher: &Arc<dyn LinkPublisher>, publish: Publish) -> PublishResult {
    let mut call = PublishCall::new(publish, Confirmation::Awaited);
    let publishing = std::future::poll_fn(|cx| publisher.poll_publish(cx, &mut call));
    within_limit("the publish", publishing).await
}

/// Takes everything out of the queue, in its order.
pub(crate) async fn drained(channel: &dyn LinkChannel, queue: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(got) = channel.basic_get(queue, springhare_broker::NoAck::Yes).await.unwrap() {
        let body = &got.delivery.message.message.body;
        bodies.push(String::from_utf8_lossy(body).into_owned());
    }
    bodies
}
