//! No time at all.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", idle_event = "0s")]
async fn on_order(Text(_order): Text) {}

fn main() {}
