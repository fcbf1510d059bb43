//! Attempts inside and beside.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", max_attempts = 7, retry(max_attempts = 5))]
async fn on_order(Text(_order): Text) {}

fn main() {}
