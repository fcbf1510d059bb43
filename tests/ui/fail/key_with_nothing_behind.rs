//! The value is missing.

use springhare::prelude::*;

#[rabbit_listener(queue = , ack = "auto")]
async fn on_order(Text(_order): Text) {}

fn main() {}
