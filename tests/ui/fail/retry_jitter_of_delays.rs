//! Chance in pauses that there are not.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(jitter = 0.2, delays = ["5s"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
