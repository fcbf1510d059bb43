//! An argument of the queue's as a key of its own.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", max_length = 10)]
async fn on_order(Text(_order): Text) {}

fn main() {}
