//! Keys with different words in braces.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", keys = ["logs.{level}", "audit.{user}"])]
async fn on_order(Path(_level): Path<String>) {}

fn main() {}
