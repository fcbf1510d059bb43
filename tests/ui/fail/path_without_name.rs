//! Braces with nothing in them.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "logs.{}")]
async fn on_order(Path(_level): Path<String>) {}

fn main() {}
