//! A place for what the broker has forgotten.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "none", recover = "park")]
async fn on_order(Text(_order): Text) {}

fn main() {}
