//! A batch that comes to a number.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100)]
async fn on_orders(_orders: Vec<Text>) -> u32 {
    1
}

fn main() {}
