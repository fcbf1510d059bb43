//! Spring's way to all headers.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[headers] _all: Headers) {}

fn main() {}
