//! The only consumer, two to four times.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", exclusive_consumer, concurrency = "2-4")]
async fn on_order(Text(_order): Text) {}

fn main() {}
