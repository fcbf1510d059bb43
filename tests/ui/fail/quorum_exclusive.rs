//! A quorum queue for one connection.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", exclusive = true, arguments(queue_type = "quorum"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
