//! Simple mode: one queue, one consumer.
//!
//! `cargo run --example simple`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use springhare::prelude::*;
use springhare_examples::{Ledger, Result, published};

/// The queue is declared when the application starts; each of its messages comes here.
#[rabbit_listener(queue = "boot_hello")]
async fn on_hello(Text(text): Text, ledger: State<Ledger>) {
    ledger.got("on_hello", text, "signed for when the handler returns");
}

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder().manage(ledger).start().await?;
    let rabbit = app.rabbit_template();

    // Without an exchange the route is a queue's name. `Ok` means that the broker has it.
    for number in 1..=3 {
        let text = format!("hello {number}");
        published(&text, "to queue boot_hello");
        rabbit.convert_and_send("boot_hello", &text).await?;
    }

    entries.expect(&[("on_hello", 3)]).await?;
    app.stop().await?;
    println!("on_hello got all 3 messages");
    Ok(())
}
