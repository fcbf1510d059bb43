//! It is delivered once.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "first", max_attempts = 3)]
async fn on_order(Text(_order): Text) {}

fn main() {}
