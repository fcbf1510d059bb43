//! A time without its quotes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", timeout = 30s)]
async fn on_order(Text(_order): Text) {}

fn main() {}
