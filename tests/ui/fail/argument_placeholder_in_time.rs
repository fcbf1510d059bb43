//! A time that is a setting.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", arguments(ttl = "${ttl}"))]
async fn on_order(Text(_order): Text) {}

fn main() {}
