//! A body that is taken twice.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(Text(_order): Text, _body: Bytes) {}

fn main() {}
