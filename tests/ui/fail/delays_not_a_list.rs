//! One delay without its brackets.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(delays = "5s"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
