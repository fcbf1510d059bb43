//! The words of the key, twice.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "logs.{level}")]
async fn on_order(Path(_level): Path<String>, Path(_word): Path<String>) {}

fn main() {}
