//! A word in braces where keys are no patterns.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "direct", key = "logs.{level}")]
async fn on_order(Path(_level): Path<String>) {}

fn main() {}
