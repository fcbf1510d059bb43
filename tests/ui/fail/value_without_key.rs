//! A queue's name alone.

use springhare::prelude::*;

#[rabbit_listener("orders")]
async fn on_order(Text(_order): Text) {}

fn main() {}
