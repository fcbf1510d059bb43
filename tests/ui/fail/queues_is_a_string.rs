//! One name where a list belongs.

use springhare::prelude::*;

#[rabbit_listener(queues = "orders")]
async fn on_order(Text(_order): Text) {}

fn main() {}
