//! A converter is named, not given.

use springhare::prelude::*;

struct Msgpack;

#[rabbit_listener(queue = "orders", converter = Msgpack)]
async fn on_order(Text(_order): Text) {}

fn main() {}
