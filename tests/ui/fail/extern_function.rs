//! A function with a foreign calling convention.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", blocking)]
extern "C" fn on_order() {}

fn main() {}
