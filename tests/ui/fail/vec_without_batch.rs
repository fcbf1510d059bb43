//! Several messages where there is one.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_orders(_orders: Vec<Json<u32>>) {}

fn main() {}
