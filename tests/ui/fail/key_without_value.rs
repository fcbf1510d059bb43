//! A key alone, where a value is needed.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", durable)]
async fn on_order(Text(_order): Text) {}

fn main() {}
