//! A queue of somebody else's that is to survive a restart.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", declare = false, durable = true)]
async fn on_order(Text(_order): Text) {}

fn main() {}
