//! Every message, twice.

use springhare::prelude::*;

#[rabbit_listener(queue = "log", concurrency = 2, arguments(queue_type = "stream"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
