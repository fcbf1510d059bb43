//! An attribute without queue and exchange.

use springhare::prelude::*;

#[rabbit_listener(prefetch = 10)]
async fn on_order(Text(_order): Text) {}

fn main() {}
