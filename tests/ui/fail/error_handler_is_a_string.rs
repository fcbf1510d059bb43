//! A function in quotes.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", error_handler = "on_failure")]
async fn on_order(Text(_order): Text) {}

fn main() {}
