//! A number that is a setting.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", concurrency = "${n}")]
async fn on_order(Text(_order): Text) {}

fn main() {}
