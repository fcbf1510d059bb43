//! A return value without a type.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(Text(_order): Text) -> impl Send {}

fn main() {}
