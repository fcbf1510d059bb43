//! A time that is known elsewhere.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", timeout = LIMIT)]
async fn on_order(Text(_order): Text) {}

fn main() {}
