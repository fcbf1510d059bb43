//! A function with conditions of its own.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async unsafe fn on_order(Text(_order): Text) {}

fn main() {}
