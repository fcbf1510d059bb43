//! A key that nobody looks at.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "fanout", key = "error")]
async fn on_order(Text(_order): Text) {}

fn main() {}
