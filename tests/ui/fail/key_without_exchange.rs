//! A key, and nothing to bind to.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", key = "error")]
async fn on_order(Text(_order): Text) {}

fn main() {}
