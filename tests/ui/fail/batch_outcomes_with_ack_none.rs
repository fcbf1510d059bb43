//! Outcomes of what nobody settles.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100, ack = "none")]
async fn on_orders(_orders: Vec<Text>) -> Vec<Outcome> {
    Vec::new()
}

fn main() {}
