//! The broker's topic exchange, said to be direct.

use springhare::prelude::*;

#[rabbit_listener(exchange = "amq.topic", kind = "direct", key = "error")]
async fn on_order(Text(_order): Text) {}

fn main() {}
