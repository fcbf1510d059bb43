//! A broker without a letter.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", broker = "")]
async fn on_order(Text(_order): Text) {}

fn main() {}
