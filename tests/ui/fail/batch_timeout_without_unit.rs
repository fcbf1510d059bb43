//! Two hundred of what?

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100, batch_timeout = "200")]
async fn on_orders(_orders: Vec<Text>) {}

fn main() {}
