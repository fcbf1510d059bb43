//! A routing key for dead letters, and no exchange.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(dead_letter_routing_key = "dead"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
