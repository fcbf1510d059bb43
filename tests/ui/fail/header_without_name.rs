//! A header, but which?

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header] _id: String) {}

fn main() {}
