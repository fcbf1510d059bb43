//! A limit on what is not counted.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "none", prefetch = 10)]
async fn on_order(Text(_order): Text) {}

fn main() {}
