//! Deliveries of what a stream delivers once.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(queue_type = "stream"), max_attempts = 7)]
async fn on_order(Text(_order): Text) {}

fn main() {}
