//! A list is no value.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", consumer_arguments = true)]
async fn on_order(Text(_order): Text) {}

fn main() {}
