//! A queue without a name that should last.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "fanout", durable = true)]
async fn on_order(Text(_order): Text) {}

fn main() {}
