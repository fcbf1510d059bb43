//! A manual listener that cannot settle.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "manual")]
async fn on_order(Text(_order): Text) {}

fn main() {}
