//! A delay of nothing.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(delays = ["0s"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
