//! A mistake in the second of two attributes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
#[rabbit_listener(queue = "refunds", exclusve = true)]
async fn on_order(Text(_order): Text) {}

fn main() {}
