//! Defaults that say nothing.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header("x-id", default)] _id: i32, #[header("x-no", default =)] _no: i32) {}

fn main() {}
