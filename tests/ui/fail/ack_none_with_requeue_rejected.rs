//! Nothing is left to requeue.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "none", requeue_rejected = true)]
async fn on_order(Text(_order): Text) {}

fn main() {}
