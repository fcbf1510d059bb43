//! Publishing to a topic exchange with 10 bindings and with 10,000 on 1,000 queues, one match
//! each.
//!
//! `cargo bench -p springhare-benches --bench topic_routing`

use std::collections::VecDeque;

use springhare_amqp::{AmqpError, FieldTable, Message, ShortString};
use springhare_benches::{Way, report};
use springhare_broker::{Broker, Channel, ExchangeDeclareOptions, Publish, QueueDeclareOptions};

const MESSAGES: u32 = 100_000;
const ROUNDS: usize = 9;
/// Messages that are handed over at a time, and then purged.
const BATCH: u32 = 1_000;

/// Declares a topic exchange with so many bindings on so many queues.
async fn bind(
    channel: &Channel,
    exchange: &str,
    queues: usize,
    bindings: usize,
) -> Result<(), AmqpError> {
    channel.exchange_declare(exchange, "topic", ExchangeDeclareOptions::default()).await?;
    for queue in 0..queues {
        let name = format!("{exchange}.{queue}");
        channel.queue_declare(&name, QueueDeclareOptions::default()).await?;
    }
    for binding in 0..bindings {
        let queue = format!("{exchange}.{}", binding % queues);
        // A third each: literal, with `*`, with `#`.
        let key = match binding % 3 {
            0 => format!("device.{binding}.temperature"),
            1 => format!("device.{binding}.*"),
            _ => format!("device.{binding}.#"),
        };
        channel.queue_bind(&queue, exchange, &key, FieldTable::new()).await?;
    }
    Ok(())
}

/// Publishes messages that match one binding each, no two in a row the same.
async fn publish(broker: &Broker, exchange: &str, bindings: u32) {
    let publisher = broker.publisher();
    let (mut publishes, mut results) = (VecDeque::new(), VecDeque::new());
    for batch in 0..MESSAGES / BATCH {
        for n in 0..BATCH {
            let binding = (batch * BATCH + n) * 7 % bindings;
            publishes.push_back(Publish {
                exchange: ShortString::truncated(exchange),
                routing_key: ShortString::truncated(&format!("device.{binding}.temperature")),
                mandatory: true,
                message: Message::default(),
            });
        }
        std::future::poll_fn(|cx| publisher.poll_publish_many(cx, &mut publishes, &mut results))
            .await;
        assert!(results.drain(..).all(|result| result.is_ok()), "every message has one match");
    }
}

async fn purge(channel: &Channel, exchange: &str, queues: usize) -> Result<(), AmqpError> {
    for queue in 0..queues {
        channel.queue_purge(&format!("{exchange}.{queue}")).await?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let broker = Broker::builder().start()?;
    let channel = broker.connect("bench")?.open_channel()?;
    runtime.block_on(bind(&channel, "small", 10, 10))?;
    runtime.block_on(bind(&channel, "large", 1_000, 10_000))?;
    let mut ways =
        [Way::new("10 bindings on 10 queues"), Way::new("10,000 bindings on 1,000 queues")];
    for _ in 0..ROUNDS {
        let [small, large] = &mut ways;
        small.measure(MESSAGES, || runtime.block_on(publish(&broker, "small", 10)));
        runtime.block_on(purge(&channel, "small", 10))?;
        large.measure(MESSAGES, || runtime.block_on(publish(&broker, "large", 10_000)));
        runtime.block_on(purge(&channel, "large", 1_000))?;
    }
    report("publish by topic, one match a message", &ways);
    Ok(())
}
