//! A function that is async and blocking.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", blocking)]
async fn on_order(Text(_order): Text) {}

fn main() {}
