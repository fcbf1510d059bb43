//! A header without its name.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header] _id: i32) {}

fn main() {}
