//! A key of no exchange.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", recover(key = "orders"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
