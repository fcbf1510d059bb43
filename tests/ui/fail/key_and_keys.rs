//! One key and a list of keys.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "direct", key = "error", keys = ["warn"])]
async fn on_order(Text(_order): Text) {}

fn main() {}
