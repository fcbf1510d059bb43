//! Pauses that shrink.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(backoff = "10s..100ms"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
