//! A retry without its parentheses.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", retry = 5)]
async fn on_order(Text(_order): Text) {}

fn main() {}
