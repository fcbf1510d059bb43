//! Those behind one that fails would be lost.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "first", batch = 10)]
async fn on_orders(_orders: Vec<Text>) {}

fn main() {}
