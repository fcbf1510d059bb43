//! Braces that are no pair.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "logs.{level")]
async fn on_order(Path(_level): Path<String>) {}

fn main() {}
