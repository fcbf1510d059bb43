//! No call at all.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(max_attempts = 0))]
async fn on_order(Text(_order): Text) {}

fn main() {}
