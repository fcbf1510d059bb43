//! It has a key.

use springhare::prelude::*;

#[rabbit_listener(queue = "log", consumer_arguments(stream_offset = "first"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
