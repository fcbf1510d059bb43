//! Handlers that come and go.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", partition_by = "routing_key", concurrency = "2-8")]
async fn on_order(Text(_order): Text) {}

fn main() {}
