//! More than 32 bits.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", priority = 3_000_000_000)]
async fn on_order(Text(_order): Text) {}

fn main() {}
