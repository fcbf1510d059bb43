//! A value without its key.

use springhare::prelude::*;

#[rabbit_listener(= "orders")]
async fn on_order(Text(_order): Text) {}

fn main() {}
