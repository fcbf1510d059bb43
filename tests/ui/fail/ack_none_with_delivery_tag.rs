//! A tag to settle, and nothing to settle.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "none")]
async fn on_order(Text(_order): Text, _tag: DeliveryTag) {}

fn main() {}
