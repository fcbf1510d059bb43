//! All five modes in one process: who published what, which handler got it, how it was signed
//! for, and at the end a table that is checked.
//!
//! `cargo run --example five_modes`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use springhare::prelude::*;
use springhare_examples::{Ledger, Result, count_by_consumer, published, work};

const AUTO: &str = "auto: signed for after the handler";
const MANUAL: &str = "manual: signed for by the handler";

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: u64,
    item: String,
}

// Simple: one queue, one consumer.
#[rabbit_listener(queue = "boot_hello")]
async fn hello(Json(order): Json<Order>, ledger: State<Ledger>) {
    ledger.got("hello", format!("order {} {}", order.id, order.item), AUTO);
}

// Worker: two consumers share a queue; with prefetch = 1 the able one does more.
#[rabbit_listener(queue = "boot_worker", ack = "manual", prefetch = 1)]
async fn worker_slow(
    Text(job): Text,
    channel: Channel,
    tag: DeliveryTag,
    ledger: State<Ledger>,
) -> ListenerResult {
    work(Duration::from_millis(100)).await;
    channel.ack(tag).await?;
    ledger.got("worker_slow", job, MANUAL);
    Ok(())
}

#[rabbit_listener(queue = "boot_worker", ack = "manual", prefetch = 1)]
async fn worker_quick(
    Text(job): Text,
    channel: Channel,
    tag: DeliveryTag,
    ledger: State<Ledger>,
) -> ListenerResult {
    work(Duration::from_millis(5)).await;
    channel.ack(tag).await?;
    ledger.got("worker_quick", job, MANUAL);
    Ok(())
}

// Publish/subscribe: every subscriber has an anonymous queue and gets a copy.
#[rabbit_listener(exchange = "boot_pubsub", kind = "fanout")]
async fn subscriber_a(Text(news): Text, ledger: State<Ledger>) {
    ledger.got("subscriber_a", news, AUTO);
}

#[rabbit_listener(exchange = "boot_pubsub", kind = "fanout")]
async fn subscriber_b(Text(news): Text, ledger: State<Ledger>) {
    ledger.got("subscriber_b", news, AUTO);
}

// Routing: by the exact key.
#[rabbit_listener(exchange = "boot_routing", kind = "direct", keys = ["error", "warn"])]
async fn route_loud(Text(line): Text, ledger: State<Ledger>) {
    ledger.got("route_loud", line, AUTO);
}

#[rabbit_listener(exchange = "boot_routing", kind = "direct", key = "info")]
async fn route_quiet(Text(line): Text, ledger: State<Ledger>) {
    ledger.got("route_quiet", line, AUTO);
}

// Topic: by a pattern, `*` for one word, `#` for any number.
#[rabbit_listener(exchange = "boot_topic", kind = "topic", key = "*.error")]
async fn topic_errors(Text(line): Text, ledger: State<Ledger>) {
    ledger.got("topic_errors", line, AUTO);
}

#[rabbit_listener(exchange = "boot_topic", kind = "topic", key = "kern.#")]
async fn topic_kernel(Text(line): Text, ledger: State<Ledger>) {
    ledger.got("topic_kernel", line, AUTO);
}

/// What each consumer must have received in the end.
const EXPECTED: [(&str, &str, usize); 8] = [
    ("simple", "hello", 2),
    ("worker", "worker_slow + worker_quick", 10),
    ("pub/sub", "subscriber_a", 2),
    ("pub/sub", "subscriber_b", 2),
    ("routing", "route_loud", 2),
    ("routing", "route_quiet", 1),
    ("topic", "topic_errors", 2),
    ("topic", "topic_kernel", 2),
];

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder().manage(ledger).start().await?;
    publish(&app.rabbit_template()).await?;

    let sum = EXPECTED.iter().map(|(_, _, count)| count).sum();
    let entries = entries.take(sum).await?;
    let unsigned = stop_and_count_unsigned(&app).await?;
    app.stop().await?;

    let counts = count_by_consumer(&entries);
    let got = |consumer: &str| counts.get(consumer).copied().unwrap_or(0);
    let mut missing = 0;
    println!("\n{:<9} {:<27} {:>4} {:>9}", "mode", "consumer", "got", "expected");
    for (mode, consumers, expected) in EXPECTED {
        let each: Vec<usize> = consumers.split(" + ").map(got).collect();
        let (sum, shown) = (each.iter().sum::<usize>(), format!("{each:?}"));
        let shown = shown.trim_matches(['[', ']']).replace(", ", "+");
        println!("{mode:<9} {consumers:<27} {shown:>4} {expected:>9}");
        missing += usize::from(sum != expected);
    }
    if missing > 0 || got("worker_quick") <= got("worker_slow") {
        return Err("a consumer did not get what it should have".into());
    }
    println!("\nleft unsigned: {unsigned}");
    if unsigned > 0 {
        return Err("a message was not signed for".into());
    }
    println!("all five modes work");
    Ok(())
}

/// Stops the listeners, which puts back what they have not signed for, and counts that.
async fn stop_and_count_unsigned(app: &Springhare) -> Result<u64> {
    for id in app.listener_ids() {
        app.stop_listener(&id).await?;
    }
    let rabbit = app.rabbit_template();
    let count = rabbit
        .execute(async |channel: Channel| {
            let hello = channel.queue_declare_passive("boot_hello").await?;
            let worker = channel.queue_declare_passive("boot_worker").await?;
            Ok(hello.message_count + worker.message_count)
        })
        .await?;
    Ok(count)
}

async fn publish(rabbit: &RabbitTemplate) -> Result {
    for (id, item) in [(1, "tea"), (2, "coffee")] {
        published(format!("order {id} {item}"), "to queue boot_hello");
        let order = Order { id, item: item.into() };
        rabbit.convert_and_send("boot_hello", &order).await?;
    }
    for job in 1..=10 {
        let job = format!("job {job}");
        published(&job, "to queue boot_worker");
        rabbit.convert_and_send("boot_worker", &job).await?;
    }
    let routed = [
        ("boot_pubsub", "", "tea is up"),
        ("boot_pubsub", "", "tea is down"),
        ("boot_routing", "error", "disk on fire"),
        ("boot_routing", "warn", "disk is slow"),
        ("boot_routing", "info", "disk is new"),
        ("boot_topic", "kern.error", "disk on fire"),
        ("boot_topic", "mail.error", "no such mailbox"),
        ("boot_topic", "kern.disk.info", "disk is new"),
    ];
    for (exchange, key, line) in routed {
        published(line, format!("to exchange {exchange}, key {key:?}"));
        rabbit.convert_and_send((exchange, key), line).await?;
    }
    Ok(())
}
