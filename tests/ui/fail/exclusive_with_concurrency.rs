//! The only consumer, four times.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", exclusive = true, concurrency = 4)]
async fn on_order(Text(_order): Text) {}

fn main() {}
