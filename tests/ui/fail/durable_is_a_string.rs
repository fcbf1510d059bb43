//! A string where true or false belongs.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", durable = "yes")]
async fn on_order(Text(_order): Text) {}

fn main() {}
