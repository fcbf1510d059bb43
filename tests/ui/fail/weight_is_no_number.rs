//! A key at an exchange that takes weights.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", exchange = "shards", kind = "x-consistent-hash", key = "orders")]
async fn on_order(Text(_order): Text) {}

fn main() {}
