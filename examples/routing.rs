//! Routing mode: a direct exchange passes a message on by its exact routing key.
//!
//! `cargo run --example routing`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use springhare::prelude::*;
use springhare_examples::{Ledger, Result, published};

#[rabbit_listener(exchange = "boot_routing", kind = "direct", keys = ["error", "warn"])]
async fn pager(Text(line): Text, key: RoutingKey, ledger: State<Ledger>) {
    ledger.got("pager", line, &format!("by key {key}"));
}

#[rabbit_listener(exchange = "boot_routing", kind = "direct", keys = ["error", "warn", "info"])]
async fn journal(Text(line): Text, key: RoutingKey, ledger: State<Ledger>) {
    ledger.got("journal", line, &format!("by key {key}"));
}

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder().manage(ledger).start().await?;
    let rabbit = app.rabbit_template();

    for (key, line) in [("info", "started"), ("warn", "disk is slow"), ("error", "disk on fire")] {
        published(line, format!("to exchange boot_routing, key {key}"));
        rabbit.convert_and_send(("boot_routing", key), line).await?;
    }
    // Nobody is bound with this key. A message that must arrive says so, and gets an error.
    let lost = rabbit.convert_and_send(("boot_routing", "debug"), "x = 1").mandatory().await;
    match lost {
        Err(error @ springhare::Error::Unroutable(_)) => {
            println!("  main           refused    {error}");
        }
        other => return Err(format!("expected an unroutable message, got {other:?}").into()),
    }

    entries.expect(&[("pager", 2), ("journal", 3)]).await?;
    app.stop().await?;
    println!("the pager got 2 messages, the journal 3");
    Ok(())
}
