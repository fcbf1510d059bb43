//! The quotes are missing.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", consumer_arguments(own = true))]
async fn on_order(Text(_order): Text) {}

fn main() {}
