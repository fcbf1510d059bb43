//! A pause without its unit.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(backoff = "100..10s"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
