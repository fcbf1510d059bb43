//! A wildcard that is only part of a word.

use springhare::prelude::*;

#[rabbit_listener(queue = "errors", exchange = "logs", kind = "topic", keys = ["*.error", "kern*.warn"])]
async fn on_order(Text(_order): Text) {}

fn main() {}
