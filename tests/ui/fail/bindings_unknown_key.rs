//! What is the queue's, in a binding.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", bindings((exchange = "logs", kye = "a", durable = true)))]
async fn on_order(Text(_order): Text) {}

fn main() {}
