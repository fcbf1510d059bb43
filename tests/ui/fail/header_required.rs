//! Spring's way of an optional header.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header("x-id", required = false)] _id: String) {}

fn main() {}
