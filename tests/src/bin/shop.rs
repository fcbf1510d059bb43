//! A program whose whole `main` is the builder's, for the tests of its verbs.

use springhare::prelude::*;

/// Fulfils what was ordered.
#[rabbit_listener(
    id = "orders",
    queue = "orders",
    exchange = "shop",
    kind = "topic",
    key = "order.*"
)]
async fn fulfil(_order: Json<u32>) {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    Springhare::builder().main().await
}
