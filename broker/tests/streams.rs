//! Streams: read by many, each from its own place, and emptied by time and size alone.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use springhare_amqp::{AmqpError, FieldTable, FieldValue, Message, ReplyCode, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, Channel, Clock, Consumer, ConsumerEnd,
    Delivery, ManualClock, Multiple, NoAck, QosScope, QueueDeclareOptions, QueueDeleteOptions,
    Requeue,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// When a manual clock starts: 2026-01-01.
const START: u64 = 1_767_225_600;

fn table<const N: usize>(entries: [(&str, FieldValue); N]) -> FieldTable {
    entries.into_iter().map(|(name, value)| (ShortString::truncated(name), value)).collect()
}

fn stream_of<const N: usize>(more: [(&str, FieldValue); N]) -> QueueDeclareOptions {
    let mut arguments = table(more);
    arguments.set(ShortString::from_static("x-queue-type"), "stream");
    QueueDeclareOptions { durable: true, arguments, ..QueueDeclareOptions::default() }
}

fn broker() -> Result<(Broker, ManualClock)> {
    let (clock, hand) = Clock::manual();
    Ok((Broker::builder().clock(clock).start()?, hand))
}

/// A channel with a prefetch of `prefetch` and the stream `s`.
async fn channel(broker: &Broker, prefetch: u16) -> Result<Channel, AmqpError> {
    let channel = broker.connect("test")?.open_channel()?;
    channel.basic_qos(prefetch, QosScope::Consumer).await?;
    channel.queue_declare("s", stream_of([])).await?;
    Ok(channel)
}

async fn publish(channel: &Channel, body: impl Into<String>) -> Result<(), AmqpError> {
    let options = BasicPublishOptions::default();
    channel.basic_publish("", "s", options, Message::new(body.into())).await.map(|_| ())
}

async fn consume(channel: &Channel, offset: impl Into<FieldValue>) -> Result<Consumer, AmqpError> {
    let arguments = table([("x-stream-offset", offset.into())]);
    let options = BasicConsumeOptions { arguments, ..BasicConsumeOptions::default() };
    channel.basic_consume("s", "", options).await
}

fn received(consumer: &mut Consumer) -> Option<Delivery> {
    match pin!(consumer.recv()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(delivery) => delivery,
        Poll::Pending => None,
    }
}

/// The offsets of all that has come, as the headers say.
fn offsets(consumer: &mut Consumer) -> Vec<i64> {
    std::iter::from_fn(|| received(consumer)).map(|delivery| offset(&delivery)).collect()
}

/// What the header says.
fn offset(delivery: &Delivery) -> i64 {
    assert!(!delivery.redelivered);
    assert_eq!(delivery.delivery_count, 0);
    let properties = &delivery.message.message.properties;
    properties.header("x-stream-offset").and_then(FieldValue::as_i64).unwrap_or(-1)
}

fn code<T>(result: Result<T, AmqpError>) -> Option<(ReplyCode, String)> {
    result.err().map(|error| (error.code(), error.text().to_string()))
}

#[tokio::test]
async fn each_consumer_reads_all_from_its_own_place() -> Result {
    let (broker, hand) = broker()?;
    let channel = channel(&broker, 100).await?;
    for number in 0..5 {
        publish(&channel, number.to_string()).await?;
        hand.advance(Duration::from_secs(10));
    }
    let started = [
        (consume(&channel, "first").await?, vec![0, 1, 2, 3, 4]),
        (consume(&channel, "last").await?, vec![4]),
        (consume(&channel, "next").await?, vec![]),
        (consume(&channel, 3).await?, vec![3, 4]),
        (consume(&channel, FieldValue::Timestamp(START + 20)).await?, vec![2, 3, 4]),
        (consume(&channel, "20s").await?, vec![3, 4]),
        (channel.basic_consume("s", "", BasicConsumeOptions::default()).await?, vec![]),
    ];
    let mut consumers = Vec::new();
    for (mut consumer, expected) in started {
        assert_eq!(offsets(&mut consumer), expected);
        consumers.push(consumer);
    }
    publish(&channel, "5").await?;
    for consumer in &mut consumers {
        assert_eq!(offsets(consumer), [5]);
    }
    let declared = channel.queue_declare_passive("s").await?;
    assert_eq!((declared.message_count, declared.consumer_count), (6, 7));
    Ok(())
}

#[tokio::test]
async fn whatever_settles_gives_credit_and_nothing_comes_again() -> Result {
    let (broker, _hand) = broker()?;
    let channel = channel(&broker, 2).await?;
    for number in 0..12 {
        publish(&channel, number.to_string()).await?;
    }
    let mut consumer = consume(&channel, "first").await?;
    assert_eq!(offsets(&mut consumer), [0, 1]);
    channel.basic_ack(1, Multiple::One).await?;
    assert_eq!(offsets(&mut consumer), [2]);
    channel.basic_nack(3, Multiple::UpTo, Requeue::Yes).await?;
    assert_eq!(offsets(&mut consumer), [3, 4]);
    channel.basic_reject(4, Requeue::Yes).await?;
    channel.basic_reject(5, Requeue::No).await?;
    assert_eq!(offsets(&mut consumer), [5, 6]);
    channel.basic_recover().await?;
    assert_eq!(offsets(&mut consumer), [7, 8]);
    // Its own end takes nothing from the others.
    channel.close().await?;
    let again = broker.connect("again")?.open_channel()?;
    again.basic_qos(100, QosScope::Consumer).await?;
    let mut consumer = consume(&again, 7).await?;
    assert_eq!(offsets(&mut consumer), [7, 8, 9, 10, 11]);
    Ok(())
}

#[tokio::test]
async fn what_a_stream_does_not_do_is_refused() -> Result {
    let (broker, _hand) = broker()?;
    let open = || async { channel(&broker, 10).await };
    let without = broker.connect("test")?.open_channel()?;
    without.queue_declare("s", stream_of([])).await?;
    let refused = code(consume(&without, "first").await);
    let text = "PRECONDITION_FAILED - consumer prefetch count is not set for \
                'queue 's' in vhost '/''";
    assert_eq!(refused, Some((ReplyCode::PreconditionFailed, text.to_owned())));
    let refused = code(consume(&open().await?, "0").await);
    let text = "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue 's' in vhost '/': \
                {invalid_stream_offset_arg,{longstr,<<\"0\">>}}";
    assert_eq!(refused, Some((ReplyCode::PreconditionFailed, text.to_owned())));
    let not_implemented = |text: &str| {
        let text = format!("NOT_IMPLEMENTED - {text} not supported by stream queues");
        Some((ReplyCode::NotImplemented, format!("{text} queue 's' in vhost '/'")))
    };
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let refused = code(open().await?.basic_consume("s", "", no_ack).await);
    assert_eq!(refused, not_implemented("automatic acknowledgement"));
    let refused = code(open().await?.basic_get("s", NoAck::No).await);
    assert_eq!(refused, not_implemented("basic.get"));
    assert_eq!(code(open().await?.queue_purge("s").await), not_implemented("queue.purge"));
    Ok(())
}

#[tokio::test]
async fn a_reader_that_has_no_room_reads_on_when_it_has() -> Result {
    let (broker, _hand) = broker()?;
    let channel = channel(&broker, 10_000).await?;
    let mut consumer = consume(&channel, "first").await?;
    // More than an outbox holds at a time.
    for _ in 0..2_000 {
        publish(&channel, "m".repeat(10_000)).await?;
    }
    for expected in 0..2_000 {
        let delivery = consumer.recv().await.ok_or("it has ended")?;
        assert_eq!(offset(&delivery), expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_deleted_stream_tells_its_consumers() -> Result {
    let (broker, _hand) = broker()?;
    let channel = channel(&broker, 10).await?;
    publish(&channel, "m").await?;
    let mut consumer = consume(&channel, "next").await?;
    // RabbitMQ looks at neither of them where it is a stream, nor counts what was in it.
    let conditions = QueueDeleteOptions { if_unused: true, if_empty: true };
    assert_eq!(channel.queue_delete("s", conditions).await?, 0);
    assert!(consumer.recv().await.is_none());
    assert_eq!(consumer.end(), Some(ConsumerEnd::CancelledByBroker));
    assert_eq!(broker.memory_used(), 0);
    Ok(())
}

#[tokio::test]
async fn age_gives_the_memory_back_to_publishers_who_wait() -> Result {
    let (clock, hand) = Clock::manual();
    let broker = Broker::builder().clock(clock).memory_high_watermark(20_000).start()?;
    let channel = broker.connect("test")?.open_channel()?;
    let arguments =
        [("x-max-age", "60s".into()), ("x-stream-max-segment-size-bytes", 5_000.into())];
    channel.queue_declare("s", stream_of(arguments)).await?;
    let fill = || async {
        while broker.memory_used() < 20_000 {
            publish(&channel, "m".repeat(1_000)).await?;
        }
        Ok::<_, AmqpError>(())
    };
    fill().await?;
    let mut waiting = pin!(publish(&channel, "m"));
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    hand.advance(Duration::from_secs(59));
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    hand.advance(Duration::from_secs(1));
    waiting.await?;
    let kept = channel.queue_declare_passive("s").await?.message_count;
    assert!(kept < 10, "one segment and what waited: {kept}");
    Ok(())
}

#[tokio::test]
async fn size_drops_the_oldest_segments() -> Result {
    let (broker, _hand) = broker()?;
    let channel = broker.connect("test")?.open_channel()?;
    channel.basic_qos(1_000, QosScope::Consumer).await?;
    let arguments =
        [("x-max-length-bytes", 20_000.into()), ("x-stream-max-segment-size-bytes", 5_000.into())];
    channel.queue_declare("s", stream_of(arguments)).await?;
    for _ in 0..100 {
        publish(&channel, "m".repeat(1_000)).await?;
    }
    let kept = i64::try_from(channel.queue_declare_passive("s").await?.message_count)?;
    assert!((15..25).contains(&kept), "{kept}");
    let mut consumer = consume(&channel, "first").await?;
    assert_eq!(offsets(&mut consumer), (100 - kept..100).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn dead_letters_may_go_to_a_stream() -> Result {
    let (broker, _hand) = broker()?;
    let channel = channel(&broker, 10).await?;
    let arguments =
        table([("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", "s".into())]);
    let options = QueueDeclareOptions { arguments, ..QueueDeclareOptions::default() };
    channel.queue_declare("q", options).await?;
    let message = Message::new("m");
    channel.basic_publish("", "q", BasicPublishOptions::default(), message).await?;
    let delivery = channel.basic_get("q", NoAck::No).await?.ok_or("a message")?.delivery;
    channel.basic_reject(delivery.delivery_tag, Requeue::No).await?;
    let mut consumer = consume(&channel, "first").await?;
    let dead = received(&mut consumer).ok_or("the dead letter")?;
    let properties = &dead.message.message.properties;
    assert!(properties.header("x-death").is_some());
    assert_eq!(properties.header("x-stream-offset"), Some(&FieldValue::I64(0)));
    Ok(())
}
