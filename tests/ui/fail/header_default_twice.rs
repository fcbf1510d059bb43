//! Two defaults.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header("x-id", default = 0, default = 1)] _id: i32) {}

fn main() {}
