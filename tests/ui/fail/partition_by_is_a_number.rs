//! A number says nothing of a message.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", partition_by = 8)]
async fn on_order(Text(_order): Text) {}

fn main() {}
