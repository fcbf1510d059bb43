//! It does not come again.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "first", retry(delays = ["5s"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
