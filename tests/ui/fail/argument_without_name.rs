//! An argument, but which?

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments("" = 1))]
async fn on_order(Text(_order): Text) {}

fn main() {}
