//! The attribute on something that cannot be called.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
struct Order;

fn main() {}
