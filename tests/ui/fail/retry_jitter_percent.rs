//! A jitter in percent.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(max_attempts = 5, jitter = 20))]
async fn on_order(Text(_order): Text) {}

fn main() {}
