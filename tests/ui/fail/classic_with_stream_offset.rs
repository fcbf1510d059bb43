//! A place in a queue that is no stream.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(queue_type = "classic"), stream_offset = "first")]
async fn on_message(Text(_text): Text) {}

fn main() {}
