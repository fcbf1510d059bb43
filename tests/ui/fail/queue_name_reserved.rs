//! A name out of the broker's own.

use springhare::prelude::*;

#[rabbit_listener(queue = "amq.orders")]
async fn on_order(Text(_order): Text) {}

fn main() {}
