//! A placeholder for what?

use springhare::prelude::*;

#[rabbit_listener(queue = "${}")]
async fn on_order(Text(_order): Text) {}

fn main() {}
