//! A circuit without its parentheses.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", circuit = 10)]
async fn on_order(Text(_order): Text) {}

fn main() {}
