//! Asked for and refused.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", requeue_rejected = false, retry(max_attempts = 5))]
async fn on_order(Text(_order): Text) {}

fn main() {}
