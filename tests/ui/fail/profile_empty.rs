//! A profile without a letter.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", profile = "")]
async fn on_order(Text(_order): Text) {}

fn main() {}
