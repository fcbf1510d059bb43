//! A text that is no time.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", timeout = "soon")]
async fn on_order(Text(_order): Text) {}

fn main() {}
