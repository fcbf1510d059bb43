//! From `convert_and_send` to a `#[rabbit_listener]`, beside a bounded tokio channel and a spawn
//! a message, with the same bodies on the same two workers.
//!
//! `cargo bench -p springhare-benches --bench end_to_end`

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use springhare::prelude::*;
use springhare_benches::{Way, report};
use tokio::sync::{Notify, mpsc};

const MESSAGES: u32 = 400_000;
/// With an await a message, fewer do.
const MESSAGES_AWAITED: u32 = 200_000;
const ROUNDS: usize = 7;
/// The tokio channel's bound: what the listener may have unsettled.
const BOUND: usize = 250;

/// Counts what arrived and tells when all has.
#[derive(Debug, Default)]
struct Arrivals {
    bytes: AtomicU32,
    left: AtomicU32,
    all: Notify,
}

impl Arrivals {
    fn expect(&self, messages: u32) {
        self.left.store(messages, Ordering::SeqCst);
    }

    fn arrived(&self, body: &Bytes) {
        self.bytes.fetch_add(u32::try_from(body.len()).unwrap_or(0), Ordering::Relaxed);
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all.notify_one();
        }
    }
}

#[rabbit_listener(queue = "bench")]
async fn count(body: Bytes, arrivals: State<Arc<Arrivals>>) {
    arrivals.arrived(&body);
}

fn body(size: usize) -> Bytes {
    Bytes::from(vec![7; size])
}

async fn through_channel(size: usize, arrivals: &Arc<Arrivals>) {
    let (sender, mut receiver) = mpsc::channel(BOUND);
    let producer = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            if sender.send(body(size)).await.is_err() {
                return;
            }
        }
    });
    let consumer = tokio::spawn({
        let arrivals = Arc::clone(arrivals);
        async move {
            while let Some(body) = receiver.recv().await {
                arrivals.arrived(&body);
            }
        }
    });
    let _ = tokio::join!(producer, consumer);
}

async fn through_spawns(size: usize, arrivals: &Arc<Arrivals>) {
    let arrivals_here = Arc::clone(arrivals);
    let producer = tokio::spawn(async move {
        for sent in 0..MESSAGES {
            let arrivals = Arc::clone(&arrivals_here);
            let body = body(size);
            tokio::spawn(async move { arrivals.arrived(&body) });
            if sent % 128 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    arrivals.all.notified().await;
    let _ = producer.await;
}

async fn through_listener(rabbit: RabbitTemplate, size: usize, arrivals: &Arc<Arrivals>) {
    let producer = tokio::spawn(async move {
        let messages = (0..MESSAGES).map(|_| rabbit.convert_and_send("bench", body(size)));
        rabbit.convert_and_send_all(messages).await
    });
    arrivals.all.notified().await;
    assert!(matches!(producer.await, Ok(Ok(()))), "all were sent");
}

async fn through_listener_awaited(rabbit: RabbitTemplate, size: usize, arrivals: &Arc<Arrivals>) {
    let producer = tokio::spawn(async move {
        for _ in 0..MESSAGES_AWAITED {
            rabbit.convert_and_send("bench", body(size)).await?;
        }
        springhare::Result::<()>::Ok(())
    });
    arrivals.all.notified().await;
    assert!(matches!(producer.await, Ok(Ok(()))), "all were sent");
}

fn main() -> springhare::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| springhare::Error::Other(error.into()))?;
    let arrivals = Arc::new(Arrivals::default());
    let app = runtime.block_on(Springhare::builder().manage(Arc::clone(&arrivals)).start())?;
    for size in [16, 1024] {
        let mut ways = [
            Way::new("tokio mpsc, bound 250"),
            Way::new("tokio spawn a message"),
            Way::new("springhare, convert_and_send_all"),
            Way::new("springhare, an await a message"),
        ];
        for _ in 0..ROUNDS {
            let [channel, spawns, all, awaited] = &mut ways;
            arrivals.expect(MESSAGES);
            channel.measure(MESSAGES, || runtime.block_on(through_channel(size, &arrivals)));
            runtime.block_on(arrivals.all.notified());
            arrivals.expect(MESSAGES);
            spawns.measure(MESSAGES, || runtime.block_on(through_spawns(size, &arrivals)));
            arrivals.expect(MESSAGES);
            all.measure(MESSAGES, || {
                runtime.block_on(through_listener(app.rabbit_template(), size, &arrivals));
            });
            arrivals.expect(MESSAGES_AWAITED);
            awaited.measure(MESSAGES_AWAITED, || {
                runtime.block_on(through_listener_awaited(app.rabbit_template(), size, &arrivals));
            });
        }
        report(&format!("publish to handler, {size} B, ack included, two workers"), &ways);
    }
    runtime.block_on(app.stop())
}
