//! A text that is no time, for a batch.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 10, batch_timeout = "soon")]
async fn on_orders(_orders: Vec<Text>) {}

fn main() {}
