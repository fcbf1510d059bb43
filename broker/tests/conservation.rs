//! Many at once on queues that expire, overflow, prefer, retry and limit their messages, while
//! policies change and queues come and go. In the end every message is in one place: acknowledged
//! once, dead once, or still there. A failure prints its seed; `STRESS_SEED` runs it again.

#![expect(clippy::unwrap_used, reason = "a test's helpers may panic")]

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use springhare_amqp::{AmqpError, FieldTable, FieldValue, Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, Channel, Consumer, Delivery, Multiple, NoAck,
    Policy, QosScope, QueueDeclareOptions, Requeue,
};
use tokio::time::timeout;

type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
type Arguments = Vec<(&'static str, FieldValue)>;

const QUEUES: [&str; 6] = ["expiring", "quorum", "priorities", "single", "retrying", "full"];
const PUBLISHERS: u64 = 3;
const MESSAGES: u64 = 5_000;
const WORKERS: u64 = 6;
/// Far more than it takes: who is stuck fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A small generator of random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u16) -> u16 {
        u16::try_from(self.next() % u64::from(end)).unwrap()
    }

    fn queue(&mut self) -> &'static str {
        QUEUES.get(usize::from(self.below(6))).unwrap()
    }
}

/// How often each message was acknowledged.
type Acknowledged = Mutex<HashMap<u64, u32>>;

fn dead_lettered_to(queue: &str) -> Arguments {
    vec![("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", queue.into())]
}

async fn declare(channel: &Channel, queue: &str, arguments: Arguments) -> Result<(), AmqpError> {
    let entries = arguments.into_iter();
    let arguments: FieldTable =
        entries.map(|(name, value)| (ShortString::from_static(name), value)).collect();
    let options = QueueDeclareOptions { durable: true, arguments, ..Default::default() };
    channel.queue_declare(queue, options).await.map(drop)
}

async fn declare_all(channel: &Channel) -> Result<(), AmqpError> {
    declare(channel, "dead", Vec::new()).await?;
    let quorum = ("x-queue-type", FieldValue::from("quorum"));
    let features: [Arguments; 6] = [
        vec![("x-message-ttl", 3.into()), ("x-max-length", 40.into())],
        vec![quorum.clone(), ("x-delivery-limit", 2.into())],
        vec![("x-max-priority", 5.into()), ("x-max-length", 60.into())],
        vec![("x-single-active-consumer", true.into())],
        vec![
            quorum,
            ("x-delayed-retry-type", "all".into()),
            ("x-delayed-retry-min", 2.into()),
            ("x-delayed-retry-max", 5.into()),
            ("x-delivery-limit", 3.into()),
        ],
        vec![("x-max-length", 30.into()), ("x-overflow", "reject-publish-dlx".into())],
    ];
    for (queue, arguments) in QUEUES.into_iter().zip(features) {
        declare(channel, queue, [arguments, dead_lettered_to("dead")].concat()).await?;
    }
    Ok(())
}

fn number(delivery: &Delivery) -> u64 {
    str::from_utf8(&delivery.message.message.body).unwrap().parse().unwrap()
}

/// What the consumer has now.
async fn take(consumer: &mut Consumer) -> Option<Delivery> {
    let mut one = VecDeque::new();
    poll_fn(|cx| {
        let _ = consumer.poll_recv_many(cx, &mut one, 1);
        Poll::Ready(())
    })
    .await;
    tokio::task::yield_now().await;
    one.pop_front()
}

async fn publisher(channel: Channel, first: u64, mut random: Random) -> Result<(), AmqpError> {
    for number in first..first + MESSAGES {
        let mut message = Message::new(number.to_string());
        message.properties.priority = u8::try_from(random.below(7)).ok();
        if random.below(3) == 0 {
            let expiration = ShortString::truncated(&random.below(6).to_string());
            message.properties.expiration = Some(expiration);
        }
        let options = BasicPublishOptions::default();
        channel.basic_publish("", random.queue(), options, message).await?;
        if number % 8 == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Consumes, settles at random, closes its channel, and begins again.
async fn worker(
    broker: Broker,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Acknowledged>,
    mut random: Random,
) -> Result<(), AmqpError> {
    while !stop.load(Ordering::SeqCst) {
        let connection = broker.connect("worker")?;
        let channel = connection.open_channel()?;
        channel.basic_qos(1 + random.below(8), QosScope::Consumer).await?;
        let mut consumers = Vec::new();
        for _ in 0..2 {
            let priority = FieldValue::from(i32::from(random.below(3)));
            let arguments =
                FieldTable::from_iter([(ShortString::from_static("x-priority"), priority)]);
            let options = BasicConsumeOptions { arguments, ..Default::default() };
            consumers.push(channel.basic_consume(random.queue(), "", options).await?);
        }
        for _ in 0..random.below(400) {
            for consumer in &mut consumers {
                let Some(delivery) = take(consumer).await else { continue };
                let tag = delivery.delivery_tag;
                match random.below(8) {
                    0 => channel.basic_nack(tag, Multiple::One, Requeue::Yes).await?,
                    1 => channel.basic_reject(tag, Requeue::Yes).await?,
                    2 => channel.basic_reject(tag, Requeue::No).await?,
                    3 => {}
                    _ => {
                        channel.basic_ack(tag, Multiple::One).await?;
                        *acknowledged.lock().unwrap().entry(number(&delivery)).or_default() += 1;
                    }
                }
            }
            if random.below(60) == 0 {
                channel.basic_recover().await?;
            }
        }
    }
    Ok(())
}

/// Changes what the queues do.
async fn operator(broker: Broker, stop: Arc<AtomicBool>, mut random: Random) -> Result {
    while !stop.load(Ordering::SeqCst) {
        let policy = Policy::new("p", "^(expiring|priorities|single|quorum|retrying)$");
        let policy = match random.below(4) {
            0 => policy.set("max-length", 5),
            1 => policy.set("message-ttl", 1),
            2 => policy.set("message-ttl", 50).set("max-length", 20),
            _ => policy.set("delivery-limit", 1),
        };
        broker.set_policy("/", policy).await?;
        tokio::task::yield_now().await;
        if random.below(2) == 0 {
            broker.clear_policy("/", "p").await?;
        }
    }
    Ok(())
}

/// Two queues that send their dead to each other, and are deleted meanwhile.
async fn passing(
    channel: Channel,
    stop: Arc<AtomicBool>,
    mut random: Random,
) -> Result<(), AmqpError> {
    let soon = ("x-message-ttl", FieldValue::from(1));
    while !stop.load(Ordering::SeqCst) {
        let expiring = [dead_lettered_to("there"), vec![soon.clone(), ("x-expires", 5.into())]];
        declare(&channel, "here", expiring.concat()).await?;
        let short = [dead_lettered_to("here"), vec![soon.clone(), ("x-max-length", 3.into())]];
        declare(&channel, "there", short.concat()).await?;
        for _ in 0..random.below(50) {
            let options = BasicPublishOptions::default();
            channel.basic_publish("", "here", options, Message::new("x")).await?;
            tokio::task::yield_now().await;
        }
        let queue = if random.below(2) == 0 { "here" } else { "there" };
        channel.queue_delete(queue, Default::default()).await?;
    }
    for queue in ["here", "there"] {
        channel.queue_delete(queue, Default::default()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_message_ends_in_one_place() -> Result {
    let given = std::env::var("STRESS_SEED").ok().and_then(|seed| seed.parse().ok());
    let random_state = std::collections::hash_map::RandomState::new();
    let seed: u64 = given.unwrap_or_else(|| random_state.hash_one(0));
    println!("STRESS_SEED={seed}");
    let random = |n: u64| Random(seed.wrapping_add(1_000 * n));

    let broker = Broker::builder().start()?;
    let connection = broker.connect("keeper")?;
    let channel = connection.open_channel()?;
    declare_all(&channel).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Acknowledged::default());
    let mut others = vec![
        tokio::spawn(operator(broker.clone(), Arc::clone(&stop), random(1))),
        tokio::spawn({
            let (channel, stop) = (broker.connect("passing")?.open_channel()?, Arc::clone(&stop));
            let random = random(2);
            async move { Ok(passing(channel, stop, random).await?) }
        }),
    ];
    for n in 0..WORKERS {
        let (broker, stop) = (broker.clone(), Arc::clone(&stop));
        let (acknowledged, random) = (Arc::clone(&acknowledged), random(10 + n));
        let working = async move { Ok(worker(broker, stop, acknowledged, random).await?) };
        others.push(tokio::spawn(working));
    }
    let publishers = (0..PUBLISHERS).map(|n| {
        let channel = broker.connect("publisher").and_then(|it| it.open_channel()).unwrap();
        tokio::spawn(publisher(channel, n * MESSAGES, random(100 + n)))
    });
    for publisher in publishers.collect::<Vec<_>>() {
        timeout(PATIENCE, publisher).await.expect("a publisher is stuck")??;
    }
    stop.store(true, Ordering::SeqCst);
    for other in others {
        timeout(PATIENCE, other).await.expect("somebody is stuck")??;
    }

    let mut places = std::mem::take(&mut *acknowledged.lock().unwrap());
    let total = usize::try_from(PUBLISHERS * MESSAGES).unwrap();
    let all_found = async {
        while places.len() < total || broker.memory_used() > 0 {
            for queue in QUEUES.into_iter().chain(["dead"]) {
                while let Some(got) = channel.basic_get(queue, NoAck::Yes).await? {
                    *places.entry(number(&got.delivery)).or_default() += 1;
                }
            }
            tokio::task::yield_now().await;
        }
        Ok::<_, AmqpError>(())
    };
    let waited = timeout(PATIENCE, all_found).await;
    let twice: Vec<_> = places.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "in two places: {twice:?}");
    assert_eq!((places.len(), broker.memory_used()), (total, 0));
    waited?.map_err(Into::into)
}
