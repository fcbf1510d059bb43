//! Deliveries of what the broker has forgotten.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "none", max_attempts = 5)]
async fn on_order(Text(_order): Text) {}

fn main() {}
