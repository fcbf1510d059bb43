//! More than 64 bits.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments("x-own" = 99_999_999_999_999_999_999))]
async fn on_order(Text(_order): Text) {}

fn main() {}
