//! A function that is neither async nor blocking.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
fn on_order(Text(_order): Text) {}

fn main() {}
