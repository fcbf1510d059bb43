//! A time in a unit that there is not.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(expires = "2w"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
