//! A bare word where a string belongs.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = auto)]
async fn on_order(Text(_order): Text) {}

fn main() {}
