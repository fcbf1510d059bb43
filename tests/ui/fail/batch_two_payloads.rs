//! Two lists of bodies.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100)]
async fn on_orders(_orders: Vec<Text>, _again: Vec<Json<u32>>) {}

fn main() {}
