//! An acknowledge mode that does not exist.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "manuel")]
async fn on_order(Text(_order): Text) {}

fn main() {}
