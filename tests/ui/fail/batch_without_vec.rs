//! A single message where there are several.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100)]
async fn on_orders(Text(_order): Text) {}

fn main() {}
