//! A path in quotes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", crate = "::springhare")]
async fn on_order(Text(_order): Text) {}

fn main() {}
