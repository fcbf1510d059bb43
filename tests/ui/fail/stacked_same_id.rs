//! One id for two listeners.

use springhare::prelude::*;

#[rabbit_listener(id = "orders", queue = "orders")]
#[rabbit_listener(id = "orders", queue = "refunds")]
async fn on_order(Text(_order): Text) {}

fn main() {}
