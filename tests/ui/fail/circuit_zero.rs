//! A circuit that is always open.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", circuit(failures = 0, pause = "30s"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
