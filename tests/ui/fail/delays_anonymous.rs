//! Delays of a queue whose name nobody knows.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "fanout", retry(delays = ["5s"]))]
async fn on_order(Text(_order): Text) {}

fn main() {}
