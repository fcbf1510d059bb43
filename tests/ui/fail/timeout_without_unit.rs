//! A time without its unit.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", timeout = 30)]
async fn on_order(Text(_order): Text) {}

fn main() {}
