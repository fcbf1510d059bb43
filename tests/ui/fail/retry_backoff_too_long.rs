//! A pause of an hour in memory.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(backoff = "1s..1h"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
