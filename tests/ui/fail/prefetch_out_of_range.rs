//! More than AMQP's 16 bits.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", prefetch = 70_000)]
async fn on_order(Text(_order): Text) {}

fn main() {}
