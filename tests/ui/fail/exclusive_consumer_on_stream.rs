//! A stream has readers.

use springhare::prelude::*;

#[rabbit_listener(queue = "log", exclusive_consumer, arguments(queue_type = "stream"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
