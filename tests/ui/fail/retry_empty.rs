//! A retry of nothing.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry())]
async fn on_order(Text(_order): Text) {}

fn main() {}
