//! The classic hello-world by hand: AMQP's own operations on a raw channel, without a listener.
//!
//! `cargo run --example raw_channel`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use springhare::broker::{
    BasicConsumeOptions, BasicPublishOptions, ChannelEvent, ConfirmOutcome, QosScope,
    QueueDeclareOptions,
};
use springhare::prelude::*;
use springhare::{Error, Multiple};
use springhare_examples::Result;
use tokio::time::timeout;

const QUEUE: &str = "hello";
/// How long it may take until the message is there.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result {
    let app = Springhare::builder().start().await?;
    let rabbit = app.rabbit_template();

    // A channel of its own, which is closed when the closure is done.
    rabbit.execute(produce).await?;
    let received = timeout(LIMIT, rabbit.execute(consume)).await??;

    app.stop().await?;
    if received != "Hello World!" {
        return Err(format!("received {received:?}").into());
    }
    Ok(())
}

async fn produce(channel: Channel) -> springhare::Result<()> {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE, options).await?;
    // In confirm mode the broker says when it has a message.
    channel.confirm_select().await?;
    let message = Message::new("Hello World!");
    channel.basic_publish("", QUEUE, BasicPublishOptions::default(), message).await?;
    println!("  produce        published  Hello World! to queue {QUEUE}");
    match channel.next_event().await {
        Some(ChannelEvent::Confirmed { outcome: ConfirmOutcome::Ack, delivery_tag, .. }) => {
            println!("  broker         confirmed  publish {delivery_tag}");
            Ok(())
        }
        other => Err(Error::Other(format!("expected a confirm, got {other:?}").into())),
    }
}

async fn consume(channel: Channel) -> springhare::Result<String> {
    channel.basic_qos(1, QosScope::Consumer).await?;
    let mut consumer =
        channel.basic_consume(QUEUE, "hello-consumer", BasicConsumeOptions::default()).await?;
    let tag = consumer.tag().clone();
    let delivery = consumer.recv().await.ok_or(Error::Stopped)?;
    let body = String::from_utf8_lossy(&delivery.message.message.body).into_owned();
    println!("  {tag:<14} got        {body} as delivery {}", delivery.delivery_tag);
    channel.basic_ack(delivery.delivery_tag, Multiple::One).await?;
    println!("  {tag:<14} signed for delivery {}", delivery.delivery_tag);
    Ok(body)
}
