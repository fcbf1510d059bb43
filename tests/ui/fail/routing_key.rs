//! AMQP's own word for the key.

use springhare::prelude::*;

#[rabbit_listener(queue = "errors", exchange = "logs", kind = "direct", routing_key = "error")]
async fn on_order(Text(_order): Text) {}

fn main() {}
