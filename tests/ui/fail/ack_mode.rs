//! Spring's spelling of `ack`.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ackMode = "auto")]
async fn on_order(Text(_order): Text) {}

fn main() {}
