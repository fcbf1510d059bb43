//! The same function for lists and for single messages.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100)]
#[rabbit_listener(queue = "more")]
async fn on_orders(_orders: Vec<Text>) {}

fn main() {}
