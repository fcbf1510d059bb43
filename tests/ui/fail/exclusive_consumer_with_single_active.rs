//! Alone, and one of several.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", exclusive_consumer, arguments(single_active_consumer))]
async fn on_order(Text(_order): Text) {}

fn main() {}
