//! A number in quotes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(max_length = "10"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
