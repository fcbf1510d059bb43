//! A stream, and no acknowledgements.

use springhare::prelude::*;

#[rabbit_listener(queue = "log", arguments(queue_type = "stream"), ack = "none")]
async fn on_message(Text(_text): Text) {}

fn main() {}
