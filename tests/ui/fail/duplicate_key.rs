//! A key given twice.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", prefetch = 10, prefetch = 20)]
async fn on_order(Text(_order): Text) {}

fn main() {}
