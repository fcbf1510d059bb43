//! A pattern where keys are compared letter by letter.

use springhare::prelude::*;

#[rabbit_listener(queue = "errors", exchange = "logs", kind = "direct", key = "*.error")]
async fn on_order(Text(_order): Text) {}

fn main() {}
