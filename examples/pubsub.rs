//! Publish/subscribe mode: a fanout exchange gives every subscriber a copy.
//!
//! `cargo run --example pubsub`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use springhare::prelude::*;
use springhare_examples::{Ledger, Result, published};

// An exchange without a queue: each listener gets an anonymous queue of its own, which is gone
// when it ends.
#[rabbit_listener(exchange = "boot_pubsub", kind = "fanout")]
async fn screen(Text(news): Text, ledger: State<Ledger>) {
    ledger.got("screen", news, "signed for when the handler returns");
}

#[rabbit_listener(exchange = "boot_pubsub", kind = "fanout")]
async fn archive(Text(news): Text, queue: QueueName, ledger: State<Ledger>) {
    ledger.got("archive", news, &format!("from its own queue {queue}"));
}

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder().manage(ledger).start().await?;
    let rabbit = app.rabbit_template();

    // A fanout exchange looks at no routing key.
    for news in ["tea is up", "tea is down"] {
        published(news, "to exchange boot_pubsub");
        rabbit.convert_and_send(("boot_pubsub", ""), news).await?;
    }

    entries.expect(&[("screen", 2), ("archive", 2)]).await?;
    app.stop().await?;
    println!("both subscribers got both messages");
    Ok(())
}
