//! A binding to the default exchange.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", exchange = "", key = "orders")]
async fn on_order(Text(_order): Text) {}

fn main() {}
