//! A range that is none.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", concurrency = "two")]
async fn on_order(Text(_order): Text) {}

fn main() {}
