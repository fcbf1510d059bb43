//! One binding beside several.

use springhare::prelude::*;

#[rabbit_listener(queue = "all", exchange = "logs", bindings((exchange = "audit")))]
async fn on_order(Text(_order): Text) {}

fn main() {}
