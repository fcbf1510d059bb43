//! A circuit for messages that never come back.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "none", circuit(failures = 10, pause = "30s"))]
async fn on_orders(_order: Text) {}

fn main() {}
