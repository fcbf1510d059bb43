//! It says all by itself.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(lazy = true))]
async fn on_order(Text(_order): Text) {}

fn main() {}
