//! One word of a key that has two.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "{host}.{level}")]
async fn on_order(Path(_level): Path<String>) {}

fn main() {}
