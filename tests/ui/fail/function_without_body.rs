//! A listener that does nothing.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(Text(_order): Text);

fn main() {}
