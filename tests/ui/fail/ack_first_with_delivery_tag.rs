//! There is nothing to settle any more.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "first")]
async fn on_order(_order: Text, _channel: Channel, _tag: DeliveryTag) {}

fn main() {}
