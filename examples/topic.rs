//! Topic mode: a topic exchange passes a message on by a pattern of its routing key's words.
//! `*` stands for one word, `#` for any number of them, none included.
//!
//! `cargo run --example topic`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use springhare::prelude::*;
use springhare_examples::{Ledger, Result, published};

#[rabbit_listener(exchange = "boot_topic", kind = "topic", key = "*.error")]
async fn errors(Text(line): Text, key: RoutingKey, ledger: State<Ledger>) {
    ledger.got("errors", line, &format!("key {key} fits *.error"));
}

#[rabbit_listener(exchange = "boot_topic", kind = "topic", key = "kern.#")]
async fn kernel(Text(line): Text, key: RoutingKey, ledger: State<Ledger>) {
    ledger.got("kernel", line, &format!("key {key} fits kern.#"));
}

#[rabbit_listener(exchange = "boot_topic", kind = "topic", key = "#")]
async fn everything(Text(line): Text, key: RoutingKey, ledger: State<Ledger>) {
    ledger.got("everything", line, &format!("key {key} fits #"));
}

#[tokio::main]
async fn main() -> Result {
    let (ledger, mut entries) = Ledger::open();
    let app = Springhare::builder().manage(ledger).start().await?;
    let rabbit = app.rabbit_template();

    let lines = [
        ("kern.error", "disk on fire"),
        ("mail.error", "no such mailbox"),
        ("kern.disk.info", "disk is new"),
        ("kern", "hello"),
        ("mail.info", "sent"),
    ];
    for (key, line) in lines {
        published(line, format!("to exchange boot_topic, key {key}"));
        rabbit.convert_and_send(("boot_topic", key), line).await?;
    }

    entries.expect(&[("errors", 2), ("kernel", 3), ("everything", 5)]).await?;
    app.stop().await?;
    println!("errors got 2 messages, kernel 3, everything 5");
    Ok(())
}
