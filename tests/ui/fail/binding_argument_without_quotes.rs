//! A header's name without its quotes.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "headers", binding_arguments(level = 3))]
async fn on_order(Text(_order): Text) {}

fn main() {}
