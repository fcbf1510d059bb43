//! A key that `retry` has under another name.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(attempts = 5))]
async fn on_order(Text(_order): Text) {}

fn main() {}
