//! Bindings that are not told apart.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", bindings(exchange = "logs", key = "a"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
