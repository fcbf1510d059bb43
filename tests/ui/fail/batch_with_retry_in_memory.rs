//! A batch again and again.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100, retry(max_attempts = 3))]
async fn on_orders(_orders: Vec<Text>) {}

fn main() {}
