//! Delays of what a stream delivers once.

use springhare::prelude::*;

#[rabbit_listener(
    queue = "orders",
    prefetch = 1, arguments(queue_type = "stream"), retry(delays = ["5s"]),
)]
async fn on_order(Text(_order): Text) {}

fn main() {}
