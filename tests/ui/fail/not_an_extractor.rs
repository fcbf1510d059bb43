//! A body's type where an extractor belongs.

use springhare::prelude::*;

#[derive(serde::Deserialize)]
struct Order {
    _id: u64,
}

#[rabbit_listener(queue = "orders")]
async fn on_order(_order: Order) {}

fn main() {}
