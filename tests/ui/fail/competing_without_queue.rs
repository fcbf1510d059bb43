//! Competing for a queue that nobody else can have.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "fanout", competing)]
async fn line(_line: Text) {}

fn main() {}
