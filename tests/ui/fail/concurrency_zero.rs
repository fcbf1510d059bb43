//! No consumer at all.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", concurrency = 0)]
async fn on_order(Text(_order): Text) {}

fn main() {}
