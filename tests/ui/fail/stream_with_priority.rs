//! Readers of a stream do not compete.

use springhare::prelude::*;

#[rabbit_listener(queue = "log", priority = 1, arguments(queue_type = "stream"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
