//! A word that the attribute does not know.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header("x-id", fallback = 0)] _id: i32) {}

fn main() {}
