//! A time without its unit.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(ttl = 10_000))]
async fn on_order(Text(_order): Text) {}

fn main() {}
