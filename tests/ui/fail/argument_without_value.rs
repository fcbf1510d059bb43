//! How long?

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(ttl))]
async fn on_order(Text(_order): Text) {}

fn main() {}
