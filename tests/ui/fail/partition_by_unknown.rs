//! A word that names nothing of a message.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", partition_by = "key")]
async fn on_order(Text(_order): Text) {}

fn main() {}
