//! A word that `x-match` does not take.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "headers", binding_arguments("x-match" = "some", "level" = 3))]
async fn on_order(Text(_order): Text) {}

fn main() {}
