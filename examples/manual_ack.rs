//! Manual acknowledgement: a worker dies before it has signed for its message, and the message
//! comes back, marked as redelivered, to another.
//!
//! `cargo run --example manual_ack`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use springhare::broker::Broker;
use springhare::prelude::*;
use springhare_examples::{Ledger, Result, published};

/// Takes the job and never gets done with it.
#[rabbit_listener(queue = "boot_jobs", ack = "manual", prefetch = 1)]
async fn mortal(Text(job): Text, _unsigned: DeliveryTag, ledger: State<Ledger>) {
    ledger.got("mortal", job, "not signed for");
    std::future::pending::<()>().await;
}

#[rabbit_listener(queue = "boot_jobs", ack = "manual", prefetch = 1)]
async fn careful(
    Text(job): Text,
    redelivered: Redelivered,
    channel: Channel,
    tag: DeliveryTag,
    ledger: State<Ledger>,
) -> ListenerResult {
    channel.ack(tag).await?;
    let again = if redelivered.is_redelivered() { "redelivered" } else { "new" };
    ledger.got("careful", format!("{job} ({again})"), "signed for by hand");
    Ok(())
}

#[tokio::main]
async fn main() -> Result {
    // Two applications share one broker, as two processes would; each runs one of the workers.
    let broker = Broker::builder().start()?;

    let (ledger, mut entries) = Ledger::open();
    let first = Springhare::builder()
        .broker(broker.clone())
        .listeners(listeners![mortal])
        .manage(ledger)
        .start()
        .await?;
    published("job 1", "to queue boot_jobs");
    first.rabbit_template().convert_and_send("boot_jobs", "job 1").await?;
    entries.expect(&[("mortal", 1)]).await?;

    println!("  mortal         dies, its connection with it");
    drop(first);

    let (ledger, mut entries) = Ledger::open();
    let second = Springhare::builder()
        .broker(broker)
        .listeners(listeners![careful])
        .manage(ledger)
        .start()
        .await?;
    let entries = entries.take(1).await?;
    second.stop().await?;

    if entries.iter().any(|entry| entry.message != "job 1 (redelivered)") {
        return Err(format!("expected job 1, redelivered, got {entries:?}").into());
    }
    println!("job 1 came back and was signed for");
    Ok(())
}
