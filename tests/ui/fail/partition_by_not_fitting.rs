//! A function that gives no key.

use springhare::prelude::*;

fn number() -> u32 {
    7
}

#[rabbit_listener(queue = "orders", partition_by = number)]
async fn on_order(Text(_order): Text) {}

fn main() {}
