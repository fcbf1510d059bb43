//! A key that is listed twice.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "direct", keys = ["error", "error"])]
async fn on_order(Text(_order): Text) {}

fn main() {}
