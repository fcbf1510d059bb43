//! A wait at a consumer for longer than RabbitMQ lets it hold a message.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", partition_by = "routing_key", retry(delays = ["1h"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
