//! A header without a name.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", partition_by = "header:")]
async fn on_order(Text(_order): Text) {}

fn main() {}
