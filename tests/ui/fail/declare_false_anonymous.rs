//! Nobody else has an anonymous queue.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "fanout", declare = false)]
async fn on_order(Text(_order): Text) {}

fn main() {}
