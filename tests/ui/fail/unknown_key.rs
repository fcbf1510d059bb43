//! A key that does not exist.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", prefech = 10)]
async fn on_order(Text(_order): Text) {}

fn main() {}
