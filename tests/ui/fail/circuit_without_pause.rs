//! A circuit that never closes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", circuit(failures = 10))]
async fn on_order(Text(_order): Text) {}

fn main() {}
