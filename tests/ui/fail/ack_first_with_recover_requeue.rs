//! Nothing to requeue.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "first", recover = "requeue")]
async fn on_order(Text(_order): Text) {}

fn main() {}
