//! What expiry, priorities and dead letters cost beside a queue that has none of them.
//!
//! `cargo bench -p springhare-benches --bench queue_features`

use std::collections::VecDeque;
use std::time::Duration;

use springhare_amqp::{AmqpError, FieldTable, FieldValue, Message, ShortString};
use springhare_benches::{Way, idle, report};
use springhare_broker::{
    BasicConsumeOptions, Broker, Channel, Clock, Multiple, Publish, QosScope, QueueDeclareOptions,
    Requeue,
};

const ROUNDS: usize = 7;
const BATCH: u32 = 1_000;
const PREFETCH: u16 = 1_000;
/// Messages of a run, but for the million that expires.
const MESSAGES: u32 = 200_000;
const EXPIRING: u32 = 1_000_000;
const EXPIRATIONS: u32 = 100_000;
const QUEUES: u32 = 10_000;
/// How long the broker is left alone.
const IDLE: Duration = Duration::from_secs(5);

type Arguments<'a> = &'a [(&'static str, FieldValue)];

struct Host {
    broker: Broker,
    channel: Channel,
}

impl Host {
    fn new(clock: Clock) -> Result<Self, Box<dyn std::error::Error>> {
        let builder = Broker::builder().clock(clock).memory_high_watermark(u64::MAX);
        let broker = builder.start()?;
        let channel = broker.connect("bench")?.open_channel()?;
        Ok(Self { broker, channel })
    }

    async fn declare(&self, queue: &str, arguments: Arguments<'_>) -> Result<(), AmqpError> {
        let entries = arguments.iter().cloned();
        let arguments: FieldTable =
            entries.map(|(name, value)| (ShortString::from_static(name), value)).collect();
        let options = QueueDeclareOptions { arguments, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue, options).await.map(drop)
    }

    /// Publishes so many messages, each made by its number.
    async fn publish(&self, queue: &str, messages: u32, message: impl Fn(u32) -> Message) {
        let publisher = self.broker.publisher();
        let (mut publishes, mut results) = (VecDeque::new(), VecDeque::new());
        for batch in 0..messages / BATCH {
            for n in 0..BATCH {
                publishes.push_back(Publish {
                    exchange: ShortString::EMPTY,
                    routing_key: ShortString::truncated(queue),
                    mandatory: true,
                    message: message(batch * BATCH + n),
                });
            }
            let publish = |cx: &mut std::task::Context<'_>| {
                publisher.poll_publish_many(cx, &mut publishes, &mut results)
            };
            std::future::poll_fn(publish).await;
            assert!(results.drain(..).all(|result| result.is_ok()), "every message has its queue");
        }
    }

    /// Takes so many messages out, acknowledged many at a time.
    async fn consume(&self, queue: &str, messages: u32) -> Result<(), AmqpError> {
        let ack = async |last| self.channel.basic_ack(last, Multiple::UpTo).await;
        self.settle(queue, messages, ack).await
    }

    /// The same, refused for good.
    async fn reject(&self, queue: &str, messages: u32) -> Result<(), AmqpError> {
        let nack = async |last| self.channel.basic_nack(last, Multiple::UpTo, Requeue::No).await;
        self.settle(queue, messages, nack).await
    }

    async fn settle(
        &self,
        queue: &str,
        messages: u32,
        settle: impl AsyncFn(u64) -> Result<(), AmqpError>,
    ) -> Result<(), AmqpError> {
        self.channel.basic_qos(PREFETCH, QosScope::Consumer).await?;
        let options = BasicConsumeOptions::default();
        let mut consumer = self.channel.basic_consume(queue, "", options).await?;
        let (mut left, mut taken) = (messages, VecDeque::new());
        while left > 0 {
            let read = std::future::poll_fn(|cx| consumer.poll_recv_many(cx, &mut taken, 1_000));
            if read.await == 0 {
                break;
            }
            let Some(last) = taken.back() else { break };
            settle(last.delivery_tag).await?;
            left = left.saturating_sub(taken.len().try_into().unwrap_or(u32::MAX));
            taken.clear();
        }
        Ok(())
    }

    async fn count(&self, queue: &str) -> u64 {
        let declared = self.channel.queue_declare_passive(queue).await;
        declared.map_or(0, |declared| declared.message_count)
    }
}

fn plain(_: u32) -> Message {
    Message::new("0123456789abcdef")
}

fn expiring(milliseconds: u32) -> Message {
    let mut message = plain(0);
    message.properties.expiration = Some(ShortString::truncated(&milliseconds.to_string()));
    message
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        idle_timers().await?;
        priorities().await?;
        dead_letters().await?;
        expiry().await
    })
}

/// Nothing is due: how much of a core is used?
async fn idle_timers() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::new(Clock::system())?;
    idle("idle, nothing to expire", IDLE);
    host.declare("expirations", &[]).await?;
    let hour = 3_600_000;
    host.publish("expirations", EXPIRATIONS, |n| expiring(hour + n)).await;
    idle("100,000 messages with 100,000 expirations", IDLE);
    for at in 0..QUEUES {
        host.declare(&format!("q{at}"), &[("x-expires", hour.into())]).await?;
    }
    idle("and 10,000 queues with x-expires", IDLE);
    Ok(())
}

/// Publish, then consume: a queue with ten priorities beside a plain one, and a plain one that is
/// consumed in no order of memory either: what a large backlog costs beside the queue.
async fn priorities() -> Result<(), Box<dyn std::error::Error>> {
    let host = Host::new(Clock::system())?;
    host.declare("plain", &[]).await?;
    host.declare("priorities", &[("x-max-priority", 10.into())]).await?;
    let prioritized = |n: u32| {
        let mut message = plain(n);
        message.properties.priority = u8::try_from(n * 7 % 11).ok();
        message
    };
    for backlog in [BATCH, 20 * BATCH, MESSAGES] {
        let mut ways = [Way::new("plain, priority set"), Way::new("ten priorities")];
        for _ in 0..ROUNDS {
            for (way, queue) in ways.iter_mut().zip(["plain", "priorities"]) {
                let runs = MESSAGES / backlog;
                way.measure_async(MESSAGES, async {
                    for _ in 0..runs {
                        host.publish(queue, backlog, prioritized).await;
                        host.consume(queue, backlog).await?;
                    }
                    Ok::<_, AmqpError>(())
                })
                .await?;
                assert_eq!(host.count(queue).await, 0);
            }
        }
        report(&format!("Published and delivered, {backlog} at a time"), &ways);
    }
    Ok(())
}

/// A message that is rejected, and one that expires, beside one that is published, and beside the
/// same with nowhere to go.
async fn dead_letters() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, hand) = Clock::manual();
    let host = Host::new(clock)?;
    let to = [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", "dead".into())];
    host.declare("dead", &[]).await?;
    host.declare("work", &to).await?;
    host.declare("dropping", &[]).await?;
    let mut ways = [
        Way::new("published"),
        Way::new("published with an expiration"),
        Way::new("rejected, dropped"),
        Way::new("rejected, dead-lettered"),
        Way::new("expired, dropped"),
        Way::new("expired, dead-lettered"),
    ];
    for _ in 0..ROUNDS {
        let [published, mortal, rejected, rejected_dlx, expired, expired_dlx] = &mut ways;
        for (way, message) in
            [(published, plain as fn(u32) -> Message), (mortal, |_| expiring(1_000))]
        {
            let publish = async {
                host.publish("dead", MESSAGES, message).await;
                Ok::<_, AmqpError>(())
            };
            way.measure_async(MESSAGES, publish).await?;
            host.channel.queue_purge("dead").await?;
        }
        for (way, queue) in [(rejected, "dropping"), (rejected_dlx, "work")] {
            host.publish(queue, MESSAGES, plain).await;
            way.measure_async(MESSAGES, host.reject(queue, MESSAGES)).await?;
        }
        assert_eq!(host.channel.queue_purge("dead").await?, u64::from(MESSAGES));
        for (way, queue) in [(expired, "dropping"), (expired_dlx, "work")] {
            host.publish(queue, MESSAGES, |_| expiring(1_000)).await;
            way.measure(MESSAGES, || hand.advance(Duration::from_secs(2)));
            assert_eq!(host.count(queue).await, 0);
        }
        assert_eq!(host.channel.queue_purge("dead").await?, u64::from(MESSAGES));
    }
    report("Dead letters", &ways);
    Ok(())
}

/// A million messages that are consumed, and as many that expire.
async fn expiry() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, hand) = Clock::manual();
    let host = Host::new(clock)?;
    host.declare("q", &[]).await?;
    let mut ways = [
        Way::new("consumed"),
        Way::new("expired, all at one time"),
        Way::new("expired, each millisecond some"),
    ];
    for _ in 0..3 {
        let [consumed, expired, spread] = &mut ways;
        host.publish("q", EXPIRING, plain).await;
        consumed.measure_async(EXPIRING, host.consume("q", EXPIRING)).await?;
        let channel = host.broker.connect("next")?.open_channel()?;
        let host = Host { broker: host.broker.clone(), channel };
        host.publish("q", EXPIRING, |_| expiring(1_000)).await;
        expired.measure(EXPIRING, || hand.advance(Duration::from_secs(2)));
        assert_eq!(host.count("q").await, 0);
        host.publish("q", EXPIRING, |n| expiring(1_000 + n / 100)).await;
        spread.measure(EXPIRING, || hand.advance(Duration::from_secs(12)));
        assert_eq!(host.count("q").await, 0);
    }
    report("A million messages", &ways);
    Ok(())
}
