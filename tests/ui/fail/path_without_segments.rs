//! A path, and a key without braces.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "logs.*")]
async fn on_order(Path(_level): Path<String>) {}

fn main() {}
