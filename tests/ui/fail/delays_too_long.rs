//! A delay of a week.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry(delays = ["7d"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
