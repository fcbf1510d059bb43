//! RabbitMQ's word for the kind.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", type = "fanout")]
async fn on_order(Text(_order): Text) {}

fn main() {}
