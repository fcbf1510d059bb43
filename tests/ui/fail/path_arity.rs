//! Two words of a key that has one.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "logs.{level}")]
async fn on_order(Path(_words): Path<(String, u32)>) {}

fn main() {}
