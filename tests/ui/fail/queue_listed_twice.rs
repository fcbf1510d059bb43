//! A queue that is listed twice.

use springhare::prelude::*;

#[rabbit_listener(queues = ["orders", "refunds", "orders"])]
async fn on_order(Text(_order): Text) {}

fn main() {}
