//! A quorum queue has no highest priority.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(queue_type = "quorum", max_priority = 5))]
async fn on_message(Text(_text): Text) {}

fn main() {}
