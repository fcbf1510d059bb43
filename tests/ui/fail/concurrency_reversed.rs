//! A range whose ends are exchanged.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", concurrency = "8-2")]
async fn on_order(Text(_order): Text) {}

fn main() {}
