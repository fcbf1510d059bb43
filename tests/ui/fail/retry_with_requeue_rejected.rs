//! Asked for and refused.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", requeue_rejected = false, retry(delays = ["5s"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
