//! A key that a circuit has not.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", circuit(failures = 10, timeout = "30s"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
