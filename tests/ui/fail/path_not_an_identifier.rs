//! Braces with something else than a name.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "logs.{log-level}")]
async fn on_order(Path(_level): Path<String>) {}

fn main() {}
