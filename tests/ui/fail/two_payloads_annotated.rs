//! A body that is taken twice, once by attribute.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[payload] _order: String, Json(_item): Json<u64>) {}

fn main() {}
