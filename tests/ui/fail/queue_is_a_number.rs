//! A number where a name belongs.

use springhare::prelude::*;

#[rabbit_listener(queue = 3)]
async fn on_order(Text(_order): Text) {}

fn main() {}
