//! A phase beyond all numbers.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", phase = 3_000_000_000)]
async fn on_order(Text(_order): Text) {}

fn main() {}
