//! A body's type that serde cannot read.

use springhare::prelude::*;

struct Order;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[payload] _order: Order) {}

fn main() {}
