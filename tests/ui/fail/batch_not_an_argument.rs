//! A type of which nobody knows how to gather it.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders", batch = 100)]
async fn on_orders(_orders: Orders) {}

fn main() {}
