//! Bindings as one text.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", bindings = "logs")]
async fn on_order(Text(_order): Text) {}

fn main() {}
