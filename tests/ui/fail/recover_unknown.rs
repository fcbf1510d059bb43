//! A place that nothing is recovered to.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", recover = "drop")]
async fn on_order(Text(_order): Text) {}

fn main() {}
