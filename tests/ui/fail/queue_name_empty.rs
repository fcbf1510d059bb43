//! A name without a letter.

use springhare::prelude::*;

#[rabbit_listener(queue = "")]
async fn on_order(Text(_order): Text) {}

fn main() {}
