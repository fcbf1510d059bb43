//! Nothing to requeue.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "first", requeue_rejected = false)]
async fn on_order(Text(_order): Text) {}

fn main() {}
