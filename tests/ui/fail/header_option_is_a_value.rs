//! A default without its name.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header("x-id", 5)] _id: i32) {}

fn main() {}
