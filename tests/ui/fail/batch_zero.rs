//! No message at all.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 0)]
async fn on_orders(_orders: Vec<Text>) {}

fn main() {}
