//! A retry of what the broker has forgotten.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "none", retry(max_attempts = 5))]
async fn on_order(Text(_order): Text) {}

fn main() {}
