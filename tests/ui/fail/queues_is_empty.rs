//! A list without a name.

use springhare::prelude::*;

#[rabbit_listener(queues = [])]
async fn on_order(Text(_order): Text) {}

fn main() {}
