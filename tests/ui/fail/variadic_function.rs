//! As many arguments as you like.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", blocking)]
fn on_order(_first: Text, _rest: ...) {}

fn main() {}
