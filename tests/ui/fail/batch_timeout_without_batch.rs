//! A time for a batch that there is not.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch_timeout = "200ms")]
async fn on_order(Text(_order): Text) {}

fn main() {}
