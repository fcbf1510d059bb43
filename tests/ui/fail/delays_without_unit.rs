//! Delays without their units.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(delays = [5, "60"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
