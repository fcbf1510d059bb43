//! A queue of somebody else's with arguments.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", declare = false, arguments(ttl = "10s"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
