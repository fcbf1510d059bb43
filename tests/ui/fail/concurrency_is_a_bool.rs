//! Yes, but how many?

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", concurrency = true)]
async fn on_order(Text(_order): Text) {}

fn main() {}
