//! A word that the argument does not know.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(overflow = "drop-tail"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
