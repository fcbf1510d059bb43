//! Worker mode: two workers of unequal speed share a queue.
//!
//! Without a prefetch bound the messages are dealt out evenly, one here, one there, as they come.
//! With `prefetch = 1` a worker gets the next when it has signed for the last: the faster does
//! more.
//!
//! `cargo run --example worker`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use springhare::prelude::*;
use springhare_examples::{Ledger, Result, count_by_consumer, published, work};

const JOBS: usize = 12;

// Each worker listens to both queues: with the default of 250 messages at a time, and with one.
#[rabbit_listener(queue = "boot_worker_even", ack = "manual")]
#[rabbit_listener(queue = "boot_worker", ack = "manual", prefetch = 1)]
async fn slow(
    Text(job): Text,
    channel: Channel,
    tag: DeliveryTag,
    ledger: State<Ledger>,
) -> ListenerResult {
    work(Duration::from_millis(100)).await;
    channel.ack(tag).await?; // signed for once the work is done, not before
    ledger.got("slow", job, "signed for by hand");
    Ok(())
}

#[rabbit_listener(queue = "boot_worker_even", ack = "manual")]
#[rabbit_listener(queue = "boot_worker", ack = "manual", prefetch = 1)]
async fn quick(
    Text(job): Text,
    channel: Channel,
    tag: DeliveryTag,
    ledger: State<Ledger>,
) -> ListenerResult {
    work(Duration::from_millis(5)).await;
    channel.ack(tag).await?;
    ledger.got("quick", job, "signed for by hand");
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder().manage(ledger).start().await?;
    let rabbit = app.rabbit_template();

    println!("without a prefetch bound:");
    send_jobs(&rabbit, "boot_worker_even").await?;
    let even = entries.expect(&[("slow", JOBS / 2), ("quick", JOBS / 2)]).await?;

    println!("with prefetch = 1:");
    send_jobs(&rabbit, "boot_worker").await?;
    let able = count_by_consumer(&entries.take(JOBS).await?);

    app.stop().await?;
    println!("without a prefetch bound: {even:?}");
    println!("with prefetch = 1:        {able:?}");
    if able.get("quick") <= able.get("slow") {
        return Err("the quick worker did not do more".into());
    }
    println!("the quick worker did more");
    Ok(())
}

async fn send_jobs(rabbit: &RabbitTemplate, queue: &str) -> Result {
    for number in 1..=JOBS {
        let job = format!("job {number}");
        published(&job, format!("to queue {queue}"));
        rabbit.convert_and_send(queue, &job).await?;
    }
    Ok(())
}
