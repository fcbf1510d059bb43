//! What a listener costs over the broker's bare channel: the same messages, taken from a queue that
//! is full before, once by hand and once by `#[rabbit_listener]`, each with as many acks.
//!
//! `cargo bench -p springhare-benches --bench listener_layer`

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use springhare::prelude::*;
use springhare_amqp::ShortString;
use springhare_benches::{Way, report};
use springhare_broker::{
    BasicConsumeOptions, Broker, Channel as BrokerChannel, Multiple, Publish, QosScope,
};
use tokio::sync::Notify;

const MESSAGES: u32 = 200_000;
const ROUNDS: usize = 9;
const QUEUE: &str = "bench";
/// As a listener that says nothing of it.
const PREFETCH: u16 = 250;
/// A listener acknowledges when half of its prefetch is done.
const ACK_EVERY: usize = 125;
/// How many deliveries are taken over at a time.
const RECEIVE_MAX: usize = 256;
const BODY: Bytes = Bytes::from_static(&[7; 16]);

/// Counts what arrived and tells when all has.
#[derive(Debug, Default)]
struct Arrivals {
    left: AtomicU32,
    all: Notify,
}

impl Arrivals {
    fn arrived(&self, body: &Bytes) {
        std::hint::black_box(body);
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all.notify_one();
        }
    }
}

#[rabbit_listener(id = "count", queue = "bench", auto_startup = false)]
async fn count(body: Bytes, arrivals: State<Arc<Arrivals>>) {
    arrivals.arrived(&body);
}

/// Fills the queue, past the template.
async fn fill(broker: &Broker, arrivals: &Arrivals) -> Result<(), Box<dyn std::error::Error>> {
    arrivals.left.store(MESSAGES, Ordering::SeqCst);
    let publisher = broker.publisher();
    for _ in 0..MESSAGES {
        let routing_key = ShortString::from_static(QUEUE);
        let (exchange, message) = (ShortString::EMPTY, Message::new(BODY));
        publisher.publish(Publish { exchange, routing_key, mandatory: true, message }).await?;
    }
    Ok(())
}

/// Takes all by hand, on a channel of the broker's.
async fn by_hand(
    channel: &BrokerChannel,
    arrivals: &Arrivals,
    ack_every: usize,
) -> Result<(), springhare_amqp::AmqpError> {
    channel.basic_qos(PREFETCH, QosScope::Consumer).await?;
    let mut consumer = channel.basic_consume(QUEUE, "", BasicConsumeOptions::default()).await?;
    let (mut received, mut unsettled, mut left) = (VecDeque::new(), 0, MESSAGES);
    while left > 0 {
        poll_fn(|cx| consumer.poll_recv_many(cx, &mut received, RECEIVE_MAX)).await;
        while let Some(delivery) = received.pop_front() {
            arrivals.arrived(&delivery.message.message.body);
            (unsettled, left) = (unsettled + 1, left - 1);
            if unsettled >= ack_every || left == 0 {
                channel.basic_ack(delivery.delivery_tag, Multiple::UpTo).await?;
                unsettled = 0;
            }
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn difference(listener: &Way, bare: &Way) {
    let more = listener.wall_nanoseconds() - bare.wall_nanoseconds();
    println!("the listener costs {more:.0} ns a message over the bare channel");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let arrivals = Arc::new(Arrivals::default());
        let broker = Broker::builder().start()?;
        let builder = Springhare::builder().broker(broker.clone()).manage(Arc::clone(&arrivals));
        let app = builder.listeners(listeners![count]).start().await?;
        let channel = broker.connect("bench")?.open_channel()?;
        let mut ways = [
            Way::new("bare channel, an ack for 125 messages"),
            Way::new("bare channel, an ack a message"),
            Way::new("listener, Bytes and State"),
        ];
        for _ in 0..ROUNDS {
            let [gathered, single, listener] = &mut ways;
            for (way, ack_every) in [(gathered, ACK_EVERY), (single, 1)] {
                fill(&broker, &arrivals).await?;
                way.measure_async(MESSAGES, by_hand(&channel, &arrivals, ack_every)).await?;
                arrivals.all.notified().await;
            }
            fill(&broker, &arrivals).await?;
            let all_handled = async {
                app.start_listener("count").await?;
                arrivals.all.notified().await;
                Ok::<(), springhare::Error>(())
            };
            listener.measure_async(MESSAGES, all_handled).await?;
            app.stop_listener("count").await?;
        }
        report("from a full queue to the handler, 16 B, acks included, one thread", &ways);
        let [gathered, _, listener] = &ways;
        difference(listener, gathered);
        Ok(app.stop().await?)
    })
}
