//! An argument of RabbitMQ's under its own name, without quotes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(message_ttl = "10s"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
