//! A name that stands twice.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "{level}.{level}")]
async fn on_order(Path(_words): Path<(String, String)>) {}

fn main() {}
