//! Deliveries that there are not.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", requeue_rejected = false, max_attempts = 7)]
async fn on_order(Text(_order): Text) {}

fn main() {}
