//! An argument given twice.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments("x-expires" = 1000, "x-expires" = 2000))]
async fn on_order(Text(_order): Text) {}

fn main() {}
