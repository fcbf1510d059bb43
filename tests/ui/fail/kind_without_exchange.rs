//! A kind, and nothing that is of it.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", kind = "direct")]
async fn on_order(Text(_order): Text) {}

fn main() {}
