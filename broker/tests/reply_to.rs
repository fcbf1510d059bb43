//! Direct reply-to on the embedded API: what has no counterpart at RabbitMQ, or can't be seen
//! there. What RabbitMQ does too stands in the contract suite.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use springhare_amqp::{AmqpError, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, Broker, BrokerConfig, Channel, Consumer, ConsumerEnd, NoAck, Publish,
    PublishError, QueueDeclareOptions, Requeue,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const PSEUDO_QUEUE: &str = "amq.rabbitmq.reply-to";

fn open(broker: &Broker) -> Result<Channel, AmqpError> {
    broker.connect("test")?.open_channel()
}

async fn consume(channel: &Channel) -> Result<Consumer, AmqpError> {
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    channel.basic_consume(PSEUDO_QUEUE, "r", options).await
}

fn request() -> Message {
    let mut request = Message::new("request");
    request.properties.reply_to = Some(ShortString::from_static(PSEUDO_QUEUE));
    request
}

/// The address that the channel's messages carry.
async fn address(channel: &Channel) -> Result<ShortString> {
    channel.queue_declare("requests", QueueDeclareOptions::default()).await?;
    channel.basic_publish("", "requests", Default::default(), request()).await?;
    let got = channel.basic_get("requests", NoAck::Yes).await?.ok_or("the request")?;
    Ok(got.delivery.message.message.properties.reply_to.clone().ok_or("an address")?)
}

async fn publish(channel: &Channel, address: &str, body: String) -> Result<(), AmqpError> {
    channel.basic_publish("", address, Default::default(), Message::new(body)).await.map(|_| ())
}

async fn is_there(broker: &Broker, address: &str) -> Result<bool> {
    Ok(open(broker)?.queue_declare_passive(address).await.is_ok())
}

fn received(consumer: &mut Consumer) -> Vec<String> {
    let mut context = Context::from_waker(Waker::noop());
    let mut received = Vec::new();
    while let Poll::Ready(Some(delivery)) = pin!(consumer.recv()).poll(&mut context) {
        received.push(String::from_utf8_lossy(&delivery.message.message.body).into_owned());
    }
    received
}

#[tokio::test]
async fn a_publisher_without_a_channel_may_reply_and_not_ask() -> Result {
    let broker = Broker::builder().start()?;
    let channel = open(&broker)?;
    let mut replies = consume(&channel).await?;
    assert_eq!(replies.queue(), PSEUDO_QUEUE);
    let publisher = broker.publisher();
    let publish = |routing_key, message| {
        let exchange = ShortString::EMPTY;
        publisher.publish(Publish { exchange, routing_key, mandatory: false, message })
    };
    publish(address(&channel).await?, Message::new("reply")).await?;
    assert_eq!(received(&mut replies), ["reply"]);
    let refused = publish(ShortString::from_static("requests"), request()).await;
    let Err(PublishError::Refused(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.to_string(), "406 PRECONDITION_FAILED - fast reply consumer does not exist");
    Ok(())
}

#[tokio::test]
async fn an_address_ends_with_whatever_its_consumer_ends_with() -> Result {
    let broker = Broker::builder().start()?;
    let keeper = open(&broker)?;

    let channel = open(&broker)?;
    let mut replies = consume(&channel).await?;
    let cancelled = address(&channel).await?;
    publish(&keeper, &cancelled, "never read".to_owned()).await?;
    channel.basic_cancel("r").await?;
    assert!(!is_there(&broker, &cancelled).await?);
    assert_eq!(replies.recv().await.map(|_| ()), None, "what was not read is gone");
    assert_eq!(replies.end(), Some(ConsumerEnd::CancelledByUser));

    let replies = consume(&channel).await?;
    let dropped = address(&channel).await?;
    assert_ne!(dropped, cancelled, "each consumer has an address of its own");
    drop(replies);
    assert!(!is_there(&broker, &dropped).await?);

    let mut replies = consume(&channel).await?;
    let closed = address(&channel).await?;
    publish(&keeper, &closed, "never read".to_owned()).await?;
    assert!(is_there(&broker, &closed).await?);
    channel.close().await?;
    assert!(!is_there(&broker, &closed).await?);
    assert_eq!(replies.recv().await.map(|_| ()), None);

    let connection = broker.connect("test")?;
    let channel = connection.open_channel()?;
    let _replies = consume(&channel).await?;
    let lost = address(&channel).await?;
    connection.close();
    assert!(!is_there(&broker, &lost).await?);
    Ok(())
}

#[tokio::test]
async fn a_dropped_handle_leaves_the_next_consumer_alone() -> Result {
    let broker = Broker::builder().start()?;
    let channel = open(&broker)?;
    let first = consume(&channel).await?;
    channel.basic_cancel("r").await?;
    let mut second = consume(&channel).await?;
    drop(first);
    publish(&channel, &address(&channel).await?, "reply".to_owned()).await?;
    assert_eq!(received(&mut second), ["reply"]);
    Ok(())
}

#[tokio::test]
async fn who_does_not_read_gets_no_more_than_its_outbox_holds() -> Result {
    let mut config = BrokerConfig::default();
    config.outbox_max_bytes = 10_000;
    let broker = Broker::builder().config(config).start()?;
    let channel = open(&broker)?;
    let mut replies = consume(&channel).await?;
    let address = address(&channel).await?;
    for number in 0..30 {
        publish(&channel, &address, format!("{number:01000}")).await?;
    }
    let kept = received(&mut replies);
    assert!((9..=10).contains(&kept.len()), "{}", kept.len());
    assert!(kept.iter().enumerate().all(|(number, body)| *body == format!("{number:01000}")));
    publish(&channel, &address, "room again".to_owned()).await?;
    assert_eq!(received(&mut replies), ["room again"]);
    assert_eq!(broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn a_waiting_reader_is_woken() -> Result {
    let broker = Broker::builder().start()?;
    let (asking, answering) = (open(&broker)?, open(&broker)?);
    let mut replies = consume(&asking).await?;
    let address = address(&asking).await?;
    let reading = tokio::spawn(async move { replies.recv().await.map(|reply| reply.delivery_tag) });
    tokio::task::yield_now().await;
    publish(&answering, &address, "reply".to_owned()).await?;
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), reading).await??;
    assert_eq!(waited, Some(2), "the tag that comes next: a get took the first");
    Ok(())
}

#[tokio::test]
async fn a_dead_letter_may_go_to_an_address() -> Result {
    let broker = Broker::builder().start()?;
    let channel = open(&broker)?;
    let mut replies = consume(&channel).await?;
    let mut arguments = FieldTable::new();
    arguments.insert("x-dead-letter-exchange", FieldValue::text(""))?;
    let address = FieldValue::text(address(&channel).await?.as_str());
    arguments.insert("x-dead-letter-routing-key", address)?;
    let options = QueueDeclareOptions { arguments, ..Default::default() };
    channel.queue_declare("q", options).await?;
    publish(&channel, "q", "dead".to_owned()).await?;
    let got = channel.basic_get("q", NoAck::No).await?.ok_or("a message")?;
    channel.basic_reject(got.delivery.delivery_tag, Requeue::No).await?;
    assert_eq!(received(&mut replies), ["dead"]);
    Ok(())
}
