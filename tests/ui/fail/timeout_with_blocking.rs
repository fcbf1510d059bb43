//! A bound that nothing can be held to.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", blocking, timeout = "30s")]
fn on_order(Text(_order): Text) {}

fn main() {}
