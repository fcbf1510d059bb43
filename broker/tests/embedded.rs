//! The embedded API where RabbitMQ has no counterpart: memory, handles, sharing and waiting.
//! What RabbitMQ does too stands in the contract suite.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use springhare_amqp::{AmqpError, FieldTable, Message, ReplyCode, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, BrokerConfig, Channel, ChannelEvent,
    Connection, ConsumerEnd, Error, ExchangeDeclareOptions, Multiple, NoAck, Publish, PublishError,
    QueueDeclareOptions, Requeue,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn open(broker: &Broker) -> Result<(Connection, Channel), AmqpError> {
    let connection = broker.connect("test")?;
    let channel = connection.open_channel()?;
    Ok((connection, channel))
}

async fn declare(channel: &Channel, queue: &str) -> Result<(), AmqpError> {
    channel.queue_declare(queue, QueueDeclareOptions::default()).await.map(|_| ())
}

async fn publish(channel: &Channel, queue: &str, body: &str) -> Result<(), AmqpError> {
    let message = Message::new(body.to_owned());
    channel.basic_publish("", queue, BasicPublishOptions::default(), message).await.map(|_| ())
}

async fn count(channel: &Channel, queue: &str) -> Result<u64, AmqpError> {
    Ok(channel.queue_declare_passive(queue).await?.message_count)
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn what_a_closed_channel_had_comes_back() -> Result {
    let broker = Broker::builder().start()?;
    let (_connection, keeper) = open(&broker)?;
    declare(&keeper, "q").await?;
    for body in ["a", "b", "c"] {
        publish(&keeper, "q", body).await?;
    }
    let (_other, worker) = open(&broker)?;
    let mut consumer = worker.basic_consume("q", "", BasicConsumeOptions::default()).await?;
    let first = consumer.recv().await.ok_or("a delivery")?;
    assert_eq!((first.delivery_tag, first.redelivered), (1, false));
    worker.close().await?;
    assert!(consumer.recv().await.is_none());
    assert_eq!(consumer.end(), Some(ConsumerEnd::CancelledByUser));
    let mut back = Vec::new();
    while let Some(got) = keeper.basic_get("q", NoAck::Yes).await? {
        let delivery = got.delivery;
        back.push((delivery.message.message.body.clone(), delivery.redelivered));
    }
    assert_eq!(back, [("a".into(), true), ("b".into(), false), ("c".into(), false)]);
    Ok(())
}

#[tokio::test]
async fn dropping_the_handles_closes_what_they_stood_for() -> Result {
    let broker = Broker::builder().start()?;
    let (keeper_connection, keeper) = open(&broker)?;
    declare(&keeper, "q").await?;
    publish(&keeper, "q", "a").await?;
    {
        let channel = broker.connect("short")?.open_channel()?;
        let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare("mine", exclusive).await?;
        let mut consumer = channel.basic_consume("q", "", BasicConsumeOptions::default()).await?;
        drop(channel);
        assert!(consumer.recv().await.is_some(), "a consumer keeps its channel open");
        assert_eq!(count(&keeper, "q").await?, 0);
    }
    assert_eq!(count(&keeper, "q").await?, 1);
    let gone = keeper.queue_declare_passive("mine").await.unwrap_err();
    assert_eq!(gone.code(), ReplyCode::NotFound, "the connection went with its last handle");
    assert!(keeper_connection.is_open(), "a channel's error leaves the connection");
    drop(broker);
    assert!(!keeper_connection.is_open(), "the broker stops with its last handle");
    let reason = keeper_connection.closed().ok_or("a reason")?;
    assert_eq!(
        reason.to_string(),
        "320 CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
    );
    Ok(())
}

#[tokio::test]
async fn an_error_closes_the_channel_or_the_connection() -> Result {
    let broker = Broker::builder().start()?;
    let (connection, channel) = open(&broker)?;
    let error = channel.basic_ack(7, Multiple::One).await.unwrap_err();
    assert_eq!(error.to_string(), "406 PRECONDITION_FAILED - unknown delivery tag 7");
    assert_eq!(channel.close_reason(), Some(error.clone()));
    assert_eq!(channel.basic_recover().await, Err(error.clone()), "and stays closed");
    assert_eq!(channel.next_event().await, Some(ChannelEvent::Closed(error)));
    assert_eq!(channel.next_event().await, None);

    let (second, third) = (connection.open_channel()?, connection.open_channel()?);
    declare(&second, "q").await?;
    let _first = second.basic_consume("q", "t", BasicConsumeOptions::default()).await?;
    let error = second.basic_consume("q", "t", BasicConsumeOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "530 NOT_ALLOWED - attempt to reuse consumer tag 't'");
    assert!(!connection.is_open() && !third.is_open());
    assert_eq!(connection.open_channel().unwrap_err(), error);
    Ok(())
}

#[tokio::test]
async fn names_and_keys_over_255_bytes_are_refused() -> Result {
    let broker = Broker::builder().start()?;
    let long = "x".repeat(256);
    for attempt in 0..3 {
        let (_connection, channel) = open(&broker)?;
        let message = Message::default();
        let options = BasicPublishOptions::default();
        let error = match attempt {
            0 => declare(&channel, &long).await.unwrap_err(),
            1 => channel.basic_publish("", &long, options, message).await.unwrap_err(),
            _ => channel.queue_bind("q", "amq.topic", &long, FieldTable::new()).await.unwrap_err(),
        };
        assert_eq!(error.code(), ReplyCode::SyntaxError);
        assert!(error.text().contains("at most 255 bytes"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() -> Result {
    let mut config = BrokerConfig::default();
    config.max_message_size = 4;
    let broker = Broker::builder().config(config).start()?;
    let (_connection, channel) = open(&broker)?;
    declare(&channel, "q").await?;
    publish(&channel, "q", "1234").await?;
    let error = publish(&channel, "q", "12345").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "406 PRECONDITION_FAILED - message size 5 is larger than configured max size 4"
    );
    let (connection, channel) = open(&broker)?;
    let mut message = Message::default();
    let headers = message.properties.headers.get_or_insert_default();
    headers.insert("h", "x".repeat(200_000))?;
    let options = BasicPublishOptions::default();
    let error = channel.basic_publish("", "q", options, message).await.unwrap_err();
    assert_eq!(error.code(), ReplyCode::FrameError);
    assert!(!connection.is_open(), "a frame error closes the connection");
    Ok(())
}

#[tokio::test]
async fn publishers_wait_at_the_memory_mark_and_go_on_below_it() -> Result {
    let broker = Broker::builder().memory_high_watermark(10_000).start()?;
    let (_connection, channel) = open(&broker)?;
    declare(&channel, "q").await?;
    let mut published = 0;
    loop {
        let mut next = pin!(publish(&channel, "q", "some text"));
        match poll_once(next.as_mut()) {
            Poll::Ready(done) => done?,
            Poll::Pending if broker.memory_used() >= 10_000 => break,
            Poll::Pending => next.await?,
        }
        published += 1;
    }
    assert!((10..100).contains(&published), "{published}");
    let waiting = tokio::spawn({
        let channel = channel.clone();
        async move { publish(&channel, "q", "the last").await }
    });
    while channel.basic_get("q", NoAck::Yes).await?.is_some() {}
    waiting.await??;
    assert_eq!(count(&channel, "q").await?, 1, "the waiting one went through");
    channel.queue_purge("q").await?;
    assert_eq!(broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn memory_is_free_again_however_messages_end() -> Result {
    let broker = Broker::builder().start()?;
    let (_connection, channel) = open(&broker)?;
    channel.exchange_declare("all", "fanout", ExchangeDeclareOptions::default()).await?;
    for queue in ["a", "b", "c", "d"] {
        declare(&channel, queue).await?;
        channel.queue_bind(queue, "all", "", FieldTable::new()).await?;
    }
    for _ in 0..10 {
        let message = Message::new(vec![0; 1000]);
        channel.basic_publish("all", "", BasicPublishOptions::default(), message).await?;
    }
    let used = broker.memory_used();
    assert!((10_000..25_000).contains(&used), "one body for four queues: {used}");
    channel.queue_purge("a").await?;
    channel.queue_delete("b", Default::default()).await?;
    while let Some(got) = channel.basic_get("c", NoAck::No).await? {
        channel.basic_reject(got.delivery.delivery_tag, Requeue::No).await?;
    }
    let mut consumer = channel
        .basic_consume("d", "", BasicConsumeOptions { no_ack: true, ..Default::default() })
        .await?;
    for _ in 0..10 {
        consumer.recv().await.ok_or("a delivery")?;
    }
    assert_eq!(broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn a_fan_out_shares_one_body() -> Result {
    let broker = Broker::builder().start()?;
    let (_connection, channel) = open(&broker)?;
    channel.exchange_declare("all", "fanout", ExchangeDeclareOptions::default()).await?;
    for queue in ["a", "b"] {
        declare(&channel, queue).await?;
        channel.queue_bind(queue, "all", "", FieldTable::new()).await?;
    }
    let body = bytes::Bytes::from(vec![7; 100]);
    let message = Message::new(body.clone());
    channel.basic_publish("all", "", BasicPublishOptions::default(), message).await?;
    let a = channel.basic_get("a", NoAck::Yes).await?.ok_or("a")?.delivery;
    let b = channel.basic_get("b", NoAck::Yes).await?.ok_or("b")?.delivery;
    assert!(Arc::ptr_eq(&a.message, &b.message));
    assert_eq!(a.message.message.body.as_ptr(), body.as_ptr(), "and it is the publisher's");
    Ok(())
}

#[tokio::test]
async fn a_consumer_that_does_not_read_stops_being_served() -> Result {
    let mut config = BrokerConfig::default();
    config.outbox_max_bytes = 10_000;
    let broker = Broker::builder().config(config).start()?;
    let (_connection, channel) = open(&broker)?;
    declare(&channel, "q").await?;
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = channel.basic_consume("q", "", no_ack).await?;
    for _ in 0..100 {
        publish(&channel, "q", &"x".repeat(1000)).await?;
    }
    let waiting = count(&channel, "q").await?;
    assert!((85..100).contains(&waiting), "about ten are with the consumer: {waiting}");
    for _ in 0..100 {
        consumer.recv().await.ok_or("a delivery")?;
    }
    assert_eq!(count(&channel, "q").await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_publisher_tells_each_fault_to_its_caller_alone() -> Result {
    let broker = Broker::builder().start()?;
    let (_connection, channel) = open(&broker)?;
    declare(&channel, "q").await?;
    let internal = ExchangeDeclareOptions { internal: true, ..Default::default() };
    channel.exchange_declare("inner", "fanout", internal).await?;
    let publisher = broker.publisher();
    let mut publishes: VecDeque<_> =
        [("", "q"), ("nope", "k"), ("", "gone"), ("inner", ""), ("", "q")]
            .map(|(exchange, routing_key)| Publish {
                exchange: ShortString::from_static(exchange),
                routing_key: ShortString::from_static(routing_key),
                mandatory: true,
                message: Message::new("m"),
            })
            .into();
    let mut results = VecDeque::new();
    std::future::poll_fn(|cx| publisher.poll_publish_many(cx, &mut publishes, &mut results)).await;
    let texts: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned()))
        .collect();
    assert_eq!(
        texts,
        [
            "ok",
            "404 NOT_FOUND - no exchange 'nope' in vhost '/'",
            "312 NO_ROUTE: no queue for routing key 'gone' on exchange ''",
            "403 ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'",
            "ok",
        ]
    );
    assert_eq!(count(&channel, "q").await?, 2);
    assert!(channel.is_open());
    broker.stop();
    publishes.push_back(Publish {
        exchange: ShortString::EMPTY,
        routing_key: ShortString::from_static("q"),
        mandatory: false,
        message: Message::default(),
    });
    results.clear();
    std::future::poll_fn(|cx| publisher.poll_publish_many(cx, &mut publishes, &mut results)).await;
    assert!(matches!(results.front(), Some(Err(PublishError::Closed(_)))), "{results:?}");
    Ok(())
}

#[tokio::test]
async fn a_publisher_leaves_the_thread_to_others() -> Result {
    // One thread: without the cooperative budget the publisher would never let the other run.
    let broker = Broker::builder().start()?;
    let (_connection, channel) = open(&broker)?;
    declare(&channel, "q").await?;
    let publisher = tokio::spawn({
        let channel = channel.clone();
        async move { while publish(&channel, "q", "m").await.is_ok() {} }
    });
    let mut consumer = channel.basic_consume("q", "", BasicConsumeOptions::default()).await?;
    for _ in 0..1000 {
        let delivery = consumer.recv().await.ok_or("a delivery")?;
        channel.basic_ack(delivery.delivery_tag, Multiple::One).await?;
    }
    broker.stop();
    publisher.await?;
    Ok(())
}

#[tokio::test]
async fn confirms_nobody_reads_melt_into_one_and_returns_have_a_limit() -> Result {
    let mut config = BrokerConfig::default();
    config.returned_messages_max = 2;
    let broker = Broker::builder().config(config).start()?;
    let (_connection, channel) = open(&broker)?;
    declare(&channel, "q").await?;
    channel.confirm_select().await?;
    for _ in 0..1000 {
        publish(&channel, "q", "m").await?;
    }
    let event = channel.next_event().await;
    assert!(
        matches!(
            event,
            Some(ChannelEvent::Confirmed { delivery_tag: 1000, multiple: Multiple::UpTo, .. })
        ),
        "{event:?}"
    );
    let mandatory = BasicPublishOptions { mandatory: true };
    for _ in 0..2 {
        channel.basic_publish("", "gone", mandatory, Message::default()).await?;
    }
    let error = channel.basic_publish("", "gone", mandatory, Message::default()).await.unwrap_err();
    assert!(error.text().contains("2 returned messages wait to be read"), "{error}");
    Ok(())
}

#[tokio::test]
async fn failed_deliveries_are_counted_and_told() -> Result {
    let broker = Broker::builder().start()?;
    let (_connection, channel) = open(&broker)?;
    declare(&channel, "q").await?;
    publish(&channel, "q", "m").await?;
    let mut seen = Vec::new();
    for requeue_by in ["reject", "nack", "close", "end"] {
        let channel = broker.connect("worker")?.open_channel()?;
        let delivery = channel.basic_get("q", NoAck::No).await?.ok_or("a delivery")?.delivery;
        let header = delivery.message.message.properties.header("x-delivery-count");
        seen.push((delivery.delivery_count, header.and_then(|count| count.as_i64())));
        match requeue_by {
            "reject" => channel.basic_reject(delivery.delivery_tag, Requeue::Yes).await?,
            "nack" => {
                channel.basic_nack(delivery.delivery_tag, Multiple::One, Requeue::Yes).await?;
            }
            _ => channel.close().await?,
        }
    }
    assert_eq!(seen, [(0, None), (1, Some(1)), (1, Some(1)), (2, Some(2))]);
    Ok(())
}

#[tokio::test]
async fn a_limit_of_zero_does_not_start() {
    let refused = Broker::builder().memory_high_watermark(0).start().unwrap_err();
    assert_eq!(refused, Error::ZeroLimit { name: "memory_high_watermark" });
}
