//! A forgotten comma behind the header's name.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header("x-id" default = 0)] _id: i32) {}

fn main() {}
