//! An argument's name without its quotes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(ttl = 10_000))]
async fn on_order(Text(_order): Text) {}

fn main() {}
