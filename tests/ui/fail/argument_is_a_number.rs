//! A value without its argument.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(3))]
async fn on_order(Text(_order): Text) {}

fn main() {}
