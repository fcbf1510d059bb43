//! A quorum queue does not know it.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", exclusive_consumer, arguments(queue_type = "quorum"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
