//! A program that tells what it is, without running: `main` is the builder's, and has verbs.
//!
//! `cargo run --example describe -- describe`             a table; `--mermaid` makes it a graph
//! `cargo run --example describe -- asyncapi`             an AsyncAPI document
//! `cargo run --example describe -- topology diff`        what the broker at `SPRINGHARE_URL` lacks
//!
//! Without a verb it runs until it is told to end, by Ctrl-C for one.

use std::io;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use springhare::prelude::*;

/// With `JsonSchema` its schema is in the AsyncAPI document.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Order {
    id: u64,
    item: String,
}

/// Packs what was ordered.
#[rabbit_listener(
    id = "pack",
    queue = "boot_packing",
    exchange = "boot_shop",
    kind = "topic",
    key = "order.*",
    retry(delays = ["5s", "1m"])
)]
async fn pack(Json(order): Json<Order>) {
    tracing::info!(order.id, order.item, "packed");
}

/// Counts all that happens in the shop.
#[rabbit_listener(id = "count", exchange = "boot_shop", kind = "topic", key = "#")]
async fn count(key: RoutingKey) {
    tracing::info!(%key, "counted");
}

#[tokio::main]
async fn main() -> ExitCode {
    // What happens is told on the standard error: the standard output is the verbs'.
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    Springhare::builder().main().await
}
