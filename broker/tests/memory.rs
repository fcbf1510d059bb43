//! The memory mark and the bounds: who waits at them is let go in the end, and counts stay true.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use springhare_amqp::{AmqpError, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, BrokerConfig, Channel, NoAck, Publish,
    QueueDeclareOptions, QueueDeleteOptions,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// A waker that says whether it was called.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A broker whose memory is full, and a channel of it.
async fn full() -> Result<(Broker, Channel)> {
    let broker = Broker::builder().memory_high_watermark(100).start()?;
    let channel = broker.connect("test")?.open_channel()?;
    channel.queue_declare("q", QueueDeclareOptions::default()).await?;
    publish(&channel).await?;
    assert!(broker.memory_used() >= 100);
    Ok((broker, channel))
}

async fn publish(channel: &Channel) -> Result<(), AmqpError> {
    let options = BasicPublishOptions::default();
    channel.basic_publish("", "q", options, Message::new("m")).await.map(|_| ())
}

fn assert_waits<F: Future>(future: Pin<&mut F>) -> Arc<Woken> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
    woken
}

#[tokio::test]
async fn who_waits_at_the_mark_hears_that_the_channel_is_closed() -> Result {
    let (_broker, channel) = full().await?;
    let mut waiting = pin!(publish(&channel));
    let woken = assert_waits(waiting.as_mut());
    channel.close().await?;
    assert!(woken.0.load(Ordering::SeqCst));
    assert!(waiting.await.is_err());
    Ok(())
}

#[tokio::test]
async fn who_waits_at_the_mark_hears_that_the_broker_is_stopped() -> Result {
    let (broker, channel) = full().await?;
    let mut waiting = pin!(publish(&channel));
    let woken = assert_waits(waiting.as_mut());
    let publisher = broker.publisher();
    let message = Publish {
        exchange: ShortString::EMPTY,
        routing_key: ShortString::from_static("q"),
        mandatory: false,
        message: Message::new("m"),
    };
    let mut without_channel = pin!(publisher.publish(message));
    let without_channel_woken = assert_waits(without_channel.as_mut());
    broker.stop();
    assert!(woken.0.load(Ordering::SeqCst));
    assert!(waiting.await.is_err());
    assert!(without_channel_woken.0.load(Ordering::SeqCst));
    assert!(without_channel.await.is_err());
    Ok(())
}

#[tokio::test]
async fn headers_count_for_the_bound_of_what_waits_to_be_read() -> Result {
    let mut config = BrokerConfig::default();
    config.outbox_max_bytes = 10_000;
    let broker = Broker::builder().config(config).start()?;
    let channel = broker.connect("test")?.open_channel()?;
    channel.queue_declare("q", QueueDeclareOptions::default()).await?;
    let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let _slow = channel.basic_consume("q", "", no_ack).await?;
    for _ in 0..100 {
        let mut message = Message::default();
        message.properties.headers.get_or_insert_default().insert("h", "x".repeat(1000))?;
        channel.basic_publish("", "q", BasicPublishOptions::default(), message).await?;
    }
    let waiting = channel.queue_declare_passive("q").await?.message_count;
    assert!(waiting >= 85, "about ten are with the consumer: {waiting} wait");
    Ok(())
}

/// One publishes and another takes at once: however the two overlap, the count is never below
/// nothing, which would hold publishers back for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_taken_at_once_leaves_nobody_waiting() -> Result {
    let broker = Broker::builder().memory_high_watermark(1 << 20).start()?;
    let channel = broker.connect("test")?.open_channel()?;
    channel.queue_declare("q", QueueDeclareOptions::default()).await?;
    let done = Arc::new(AtomicBool::new(false));
    let taking = std::thread::spawn({
        let (channel, done, broker) = (channel.clone(), Arc::clone(&done), broker.clone());
        move || {
            let mut highest = 0;
            while !done.load(Ordering::SeqCst) {
                let _ = now(channel.basic_get("q", NoAck::Yes));
                highest = highest.max(broker.memory_used());
            }
            highest
        }
    });
    let other = broker.connect("other")?.open_channel()?;
    for _ in 0..200_000 {
        let mut next = pin!(publish(&other));
        if now_of(next.as_mut()).is_none() {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::SeqCst);
    let highest = taking.join().map_err(|_| "the taker panicked")?;
    assert!(highest < 1 << 40, "the count went below nothing: {highest}");
    Ok(())
}

fn now<F: Future>(future: F) -> Option<F::Output> {
    now_of(pin!(future))
}

fn now_of<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[tokio::test]
async fn what_a_consumer_without_acks_has_not_read_is_counted() -> Result {
    let broker = Broker::builder().start()?;
    let channel = broker.connect("test")?.open_channel()?;
    channel.queue_declare("q", QueueDeclareOptions::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut consumer = channel.basic_consume("q", "lazy", options.clone()).await?;
    for _ in 0..3 {
        publish(&channel).await?;
    }
    let all = broker.memory_used();
    assert!(all > 3 * 500, "{all}");
    consumer.recv().await;
    assert_eq!(broker.memory_used(), all / 3 * 2);
    // Who has not read by the end gives it back to the queue, which counts it then.
    drop(consumer);
    assert_eq!(broker.memory_used(), all / 3 * 2);
    let unread = channel.basic_consume("q", "lazier", options).await?;
    channel.queue_delete("q", QueueDeleteOptions::default()).await?;
    channel.close().await?;
    drop(unread);
    assert_eq!(broker.memory_used(), 0);
    Ok(())
}
