//! Deliveries counted beside the delays.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", max_attempts = 7, retry(delays = ["5s"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
