//! It has a key.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", consumer_arguments("x-priority" = 10))]
async fn on_order(Text(_order): Text) {}

fn main() {}
