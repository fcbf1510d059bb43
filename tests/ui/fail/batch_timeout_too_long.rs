//! Longer than RabbitMQ waits.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100, batch_timeout = "1h")]
async fn on_orders(_orders: Vec<Text>) {}

fn main() {}
