//! A parameter that is sometimes there.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[cfg(all())] _order: Text) {}

fn main() {}
