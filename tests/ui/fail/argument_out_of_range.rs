//! A number that no queue takes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(max_priority = 256))]
async fn on_order(Text(_order): Text) {}

fn main() {}
