//! A function for the compiler.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", blocking)]
const fn on_order() {}

fn main() {}
