//! Lists that mix keys.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100, partition_by = "routing_key")]
async fn on_orders(_orders: Vec<Text>) {}

fn main() {}
