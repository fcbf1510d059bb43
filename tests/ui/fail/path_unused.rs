//! A word that nobody takes.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", kind = "topic", key = "logs.{level}")]
async fn on_order(Text(_order): Text) {}

fn main() {}
