//! A placeholder that does not end.

use springhare::prelude::*;

#[rabbit_listener(queue = "${orders.queue")]
async fn on_order(Text(_order): Text) {}

fn main() {}
