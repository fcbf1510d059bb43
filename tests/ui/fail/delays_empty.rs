//! No delay.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(delays = []))]
async fn on_order(Text(_order): Text) {}

fn main() {}
