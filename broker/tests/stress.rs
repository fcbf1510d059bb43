//! Many at once: publishers with confirms, and workers that ack, refuse, cancel, close and come
//! again at random. In the end every confirmed message was acknowledged once, and the memory is
//! free. A failure prints its seed; `STRESS_SEED` runs it again.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test's helpers may panic"
)]

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::hash::BuildHasher;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use springhare_amqp::{AmqpError, Message};
use springhare_broker::{
    BasicConsumeOptions, BasicPublishOptions, Broker, BrokerConfig, Channel, ChannelEvent,
    ConfirmOutcome, Connection, Consumer, Delivery, Multiple, NoAck, QosScope, QueueDeclareOptions,
    Requeue,
};
use tokio::sync::watch;
use tokio::time::timeout;

type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const QUEUES: [&str; 3] = ["q0", "q1", "q2"];
const PUBLISHERS: u64 = 4;
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

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Tells the seed when the test fails.
struct Seed(u64);

impl Seed {
    fn new() -> Self {
        let given = std::env::var("STRESS_SEED").ok().and_then(|seed| seed.parse().ok());
        Self(given.unwrap_or_else(|| std::hash::RandomState::new().hash_one(0)))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("STRESS_SEED={}", self.0);
        }
    }
}

/// How the workers behave.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Anything goes.
    Wild,
    /// Every worker consumes from all queues and acknowledges all.
    Calm,
}

/// How often each message was acknowledged.
struct Ledger {
    acks: Vec<AtomicU8>,
    acked: AtomicU64,
}

impl Ledger {
    fn new(messages: u64) -> Self {
        Self { acks: (0..messages).map(|_| AtomicU8::new(0)).collect(), acked: AtomicU64::new(0) }
    }

    fn acked(&self, id: u64) {
        assert_eq!(self.of(id).fetch_add(1, Ordering::SeqCst), 0, "{id} is acknowledged twice");
        self.acked.fetch_add(1, Ordering::SeqCst);
    }

    fn of(&self, id: u64) -> &AtomicU8 {
        &self.acks[usize::try_from(id).unwrap()]
    }
}

fn id(delivery: &Delivery) -> u64 {
    std::str::from_utf8(&delivery.message.message.body).unwrap().parse().unwrap()
}

fn small_broker() -> Result<Broker> {
    let mut config = BrokerConfig::default();
    config.outbox_max_bytes = 1_000;
    config.memory_high_watermark = 100_000;
    Ok(Broker::builder().config(config).start()?)
}

async fn publish(channel: &Channel, queue: &str, id: u64) -> Result<Option<u64>, AmqpError> {
    let options = BasicPublishOptions { mandatory: true };
    channel.basic_publish("", queue, options, Message::new(id.to_string())).await
}

/// Publishes on one channel from two tasks, and returns once all is confirmed.
async fn publisher(channel: Channel, number: u64, seed: u64) -> Result {
    channel.confirm_select().await?;
    let half = |first: u64| {
        let (channel, mut random) = (channel.clone(), Random(seed + first));
        async move {
            for n in (first..MESSAGES).step_by(2) {
                let queue = random.pick(&QUEUES);
                publish(&channel, queue, number * MESSAGES + n).await?;
            }
            Ok::<(), AmqpError>(())
        }
    };
    let tasks = [tokio::spawn(half(0)), tokio::spawn(half(1))];
    let mut confirmed = 0;
    while confirmed < MESSAGES {
        match channel.next_event().await {
            Some(ChannelEvent::Confirmed { delivery_tag, multiple, outcome }) => {
                assert_eq!(outcome, ConfirmOutcome::Ack);
                assert!(delivery_tag > confirmed, "{delivery_tag} after {confirmed}");
                assert!(multiple == Multiple::UpTo || delivery_tag == confirmed + 1);
                confirmed = delivery_tag;
            }
            other => return Err(format!("{other:?}").into()),
        }
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// A worker's stay on one channel.
struct Session {
    connection: Connection,
    channel: Channel,
    consumers: Vec<(Consumer, NoAck)>,
    /// Received and not settled, by delivery tag.
    held: HashMap<u64, u64>,
    ledger: Arc<Ledger>,
}

impl Session {
    async fn open(
        broker: &Broker,
        ledger: &Arc<Ledger>,
        phase: Phase,
        random: &mut Random,
    ) -> Result<Self, AmqpError> {
        let connection = broker.connect("worker")?;
        let channel = connection.open_channel()?;
        channel.basic_qos(u16::try_from(random.below(4)).unwrap(), QosScope::Consumer).await?;
        channel.basic_qos(u16::try_from(random.below(4)).unwrap(), QosScope::Channel).await?;
        let mut consumers = Vec::new();
        for queue in QUEUES {
            if phase == Phase::Wild && random.one_in(3) {
                continue;
            }
            let no_ack = random.one_in(5);
            let options = BasicConsumeOptions { no_ack, ..BasicConsumeOptions::default() };
            let consumer = channel.basic_consume(queue, queue, options).await?;
            consumers.push((consumer, if no_ack { NoAck::Yes } else { NoAck::No }));
        }
        let ledger = Arc::clone(ledger);
        Ok(Self { connection, channel, consumers, held: HashMap::new(), ledger })
    }

    /// Reads what there is; waits for it, or for the next phase, if nothing is held.
    async fn receive(&mut self, phase: &mut watch::Receiver<Phase>, random: &mut Random) {
        let max = usize::try_from(1 + random.below(4)).unwrap();
        let mut changed = pin!(phase.changed());
        let mut received = VecDeque::new();
        poll_fn(|cx| {
            let mut has_received = false;
            for (consumer, no_ack) in &mut self.consumers {
                has_received |= consumer.poll_recv_many(cx, &mut received, max).is_ready();
                for delivery in received.drain(..) {
                    match no_ack {
                        NoAck::Yes => self.ledger.acked(id(&delivery)),
                        NoAck::No => {
                            self.held.insert(delivery.delivery_tag, id(&delivery));
                        }
                    }
                }
            }
            self.consumers.retain(|(consumer, _)| consumer.end().is_none());
            // One that does not serve all queues must not wait: what publishers wait for may be
            // in the others.
            let has_work =
                has_received || !self.held.is_empty() || self.consumers.len() < QUEUES.len();
            if has_work || changed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// Acknowledges one, or all up to it.
    async fn ack(&mut self, tag: u64, multiple: Multiple) -> Result<(), AmqpError> {
        self.channel.basic_ack(tag, multiple).await?;
        let covered = |held: &u64| *held == tag || (multiple == Multiple::UpTo && *held < tag);
        let ledger = Arc::clone(&self.ledger);
        self.held.retain(|held, id| {
            let stays = !covered(held);
            if !stays {
                ledger.acked(*id);
            }
            stays
        });
        Ok(())
    }

    async fn act(&mut self, random: &mut Random) -> Result<(), AmqpError> {
        let tags: Vec<_> = self.held.keys().copied().collect();
        if let Some(&tag) = tags.first() {
            match random.below(10) {
                0..5 => self.ack(tag, Multiple::One).await?,
                5 => self.ack(tag, Multiple::UpTo).await?,
                6 => {
                    self.held.remove(&tag);
                    self.channel.basic_nack(tag, Multiple::One, Requeue::Yes).await?;
                }
                7 => {
                    self.held.remove(&tag);
                    self.channel.basic_reject(tag, Requeue::Yes).await?;
                }
                8 if random.one_in(4) => {
                    self.held.clear();
                    self.channel.basic_recover().await?;
                }
                _ => {}
            }
        }
        match random.below(200) {
            0 => self.channel.close().await?,
            1 => self.channel.basic_ack(u64::MAX, Multiple::One).await?,
            2 => self.connection.close(),
            3 | 4 => drop(self.consumers.pop()),
            5 | 6 => self.channel.basic_cancel(random.pick(&QUEUES)).await?,
            7 => {
                let prefetch = u16::try_from(random.below(5)).unwrap();
                self.channel.basic_qos(prefetch, QosScope::Channel).await?;
            }
            8 => {
                if let Some(got) = self.channel.basic_get(random.pick(&QUEUES), NoAck::No).await? {
                    self.held.insert(got.delivery.delivery_tag, id(&got.delivery));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Cancels or closes what another task uses, at any moment.
async fn meddle(channel: Channel, mut random: Random) -> Result<(), AmqpError> {
    for _ in 0..random.below(200) {
        tokio::task::yield_now().await;
    }
    if random.one_in(2) { channel.basic_cancel("q0").await } else { channel.close().await }
}

async fn worker(
    broker: Broker,
    ledger: Arc<Ledger>,
    mut phase: watch::Receiver<Phase>,
    mut random: Random,
    total: u64,
) -> Result {
    let is_done = || ledger.acked.load(Ordering::SeqCst) == total;
    loop {
        let now = *phase.borrow_and_update();
        let mut session = match Session::open(&broker, &ledger, now, &mut random).await {
            // The queues are deleted once all is done.
            Err(_) if is_done() => return Ok(()),
            opened => opened?,
        };
        let meddling = (now == Phase::Wild && random.one_in(2))
            .then(|| tokio::spawn(meddle(session.channel.clone(), Random(random.next()))));
        while session.channel.is_open() && !session.consumers.is_empty() {
            session.receive(&mut phase, &mut random).await;
            tokio::task::yield_now().await;
            if now == Phase::Wild {
                if *phase.borrow() == Phase::Calm || session.act(&mut random).await.is_err() {
                    break;
                }
            } else if let Some(tag) = session.held.keys().max().copied() {
                session.ack(tag, Multiple::UpTo).await?;
            }
        }
        if let Some(meddling) = meddling {
            let _ = meddling.await?;
        }
        if is_done() {
            return Ok(());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_confirmed_message_is_acknowledged_once() -> Result {
    let seed = Seed::new();
    let broker = small_broker()?;
    let keeper = broker.connect("keeper")?.open_channel()?;
    for queue in QUEUES {
        keeper.queue_declare(queue, QueueDeclareOptions::default()).await?;
    }
    let total = PUBLISHERS * MESSAGES;
    let ledger = Arc::new(Ledger::new(total));
    let (phase, watching) = watch::channel(Phase::Wild);
    let workers: Vec<_> = (0..WORKERS)
        .map(|n| {
            let random = Random(seed.0.wrapping_mul(31).wrapping_add(n));
            tokio::spawn(worker(
                broker.clone(),
                Arc::clone(&ledger),
                watching.clone(),
                random,
                total,
            ))
        })
        .collect();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|n| {
            let channel = broker.connect("publisher").and_then(|c| c.open_channel()).unwrap();
            tokio::spawn(publisher(channel, n, seed.0.wrapping_add(1_000 * n)))
        })
        .collect();
    for publisher in publishers {
        timeout(PATIENCE, publisher).await.expect("a publisher is stuck")?.unwrap();
    }
    phase.send(Phase::Calm)?;
    let all_acked = async {
        while ledger.acked.load(Ordering::SeqCst) < total {
            tokio::task::yield_now().await;
        }
    };
    if timeout(PATIENCE, all_acked).await.is_err() {
        let acked = ledger.acked.load(Ordering::SeqCst);
        let mut ready = Vec::new();
        for queue in QUEUES {
            ready.push(keeper.queue_declare_passive(queue).await?);
        }
        panic!("{acked} of {total} are acknowledged, {ready:?}, {} bytes", broker.memory_used());
    }
    assert_eq!(broker.memory_used(), 0);
    for queue in QUEUES {
        assert_eq!(keeper.queue_delete(queue, Default::default()).await?, 0, "{queue} is empty");
    }
    for worker in workers {
        timeout(PATIENCE, worker).await.expect("a worker is stuck")?.unwrap();
    }
    Ok(())
}

/// Publishers at once, and one consumer whose outbox and prefetch are full most of the time:
/// what each published comes in its order, each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_consumer_gets_what_each_publisher_sent_in_its_order() -> Result {
    let seed = Seed::new();
    let mut random = Random(seed.0);
    let broker = small_broker()?;
    let channel = broker.connect("consumer")?.open_channel()?;
    channel.queue_declare("q", QueueDeclareOptions::default()).await?;
    channel.basic_qos(7, QosScope::Consumer).await?;
    channel.basic_qos(5, QosScope::Channel).await?;
    let mut consumer = channel.basic_consume("q", "", BasicConsumeOptions::default()).await?;
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| {
            let channel = broker.connect("publisher").and_then(|c| c.open_channel()).unwrap();
            tokio::spawn(async move {
                for n in 0..MESSAGES {
                    publish(&channel, "q", number * MESSAGES + n).await?;
                }
                Ok::<(), AmqpError>(())
            })
        })
        .collect();
    let mut next: Vec<_> = (0..PUBLISHERS).map(|number| number * MESSAGES).collect();
    let mut tags = Vec::new();
    for _ in 0..PUBLISHERS * MESSAGES {
        let delivery = timeout(PATIENCE, consumer.recv()).await.expect("stuck").unwrap();
        let expected = &mut next[usize::try_from(id(&delivery) / MESSAGES).unwrap()];
        assert_eq!(id(&delivery), *expected);
        *expected += 1;
        tags.push(delivery.delivery_tag);
        if tags.len() == 5 || random.one_in(3) {
            let at = usize::try_from(random.below(tags.len() as u64)).unwrap();
            channel.basic_ack(tags.swap_remove(at), Multiple::One).await?;
        }
        if random.one_in(50) {
            let limit = u16::try_from(random.below(5)).unwrap();
            channel.basic_qos(if limit == 0 { 0 } else { 5 }, QosScope::Channel).await?;
        }
    }
    for publisher in publishers {
        publisher.await??;
    }
    for tag in tags {
        channel.basic_ack(tag, Multiple::One).await?;
    }
    assert_eq!(broker.memory_used(), 0);
    Ok(())
}
