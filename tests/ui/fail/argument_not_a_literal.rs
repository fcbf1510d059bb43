//! An argument computed at run time.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments("x-message-ttl" = 10 * 1000))]
async fn on_order(Text(_order): Text) {}

fn main() {}
