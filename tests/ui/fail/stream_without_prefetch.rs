//! A stream without a limit.

use springhare::prelude::*;

#[rabbit_listener(queue = "log", prefetch = 0, arguments(queue_type = "stream"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
