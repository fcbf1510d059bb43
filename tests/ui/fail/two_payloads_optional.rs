//! A body that is taken twice, once perhaps.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(Text(_order): Text, _item: Option<Json<u64>>) {}

fn main() {}
