//! A key that resembles none: all are listed.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", wombat = 10)]
async fn on_order(Text(_order): Text) {}

fn main() {}
