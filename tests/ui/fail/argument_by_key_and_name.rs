//! An argument given by its key and by its name.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(ttl = "10s", "x-message-ttl" = 10_000))]
async fn on_order(Text(_order): Text) {}

fn main() {}
