//! Braces in the middle of a word.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "logs.x{level}")]
async fn on_order(Path(_level): Path<String>) {}

fn main() {}
