//! A place that no stream has.

use springhare::prelude::*;

#[rabbit_listener(queue = "log", arguments(queue_type = "stream"), stream_offset = "newest")]
async fn on_order(Text(_order): Text) {}

fn main() {}
