//! A key in Java's spelling.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", autoStartup = false)]
async fn on_order(Text(_order): Text) {}

fn main() {}
