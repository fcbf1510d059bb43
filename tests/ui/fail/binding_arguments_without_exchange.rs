//! A binding's arguments, and nothing to bind to.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", binding_arguments("x-match" = "all"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
