//! A circuit that never opens.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", circuit(pause = "30s"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
