//! A string where a number belongs.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", prefetch = "10")]
async fn on_order(Text(_order): Text) {}

fn main() {}
