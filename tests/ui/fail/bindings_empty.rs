//! A list of no bindings.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", bindings())]
async fn on_order(Text(_order): Text) {}

fn main() {}
