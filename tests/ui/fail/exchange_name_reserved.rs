//! An exchange out of the broker's own names that it does not have.

use springhare::prelude::*;

#[rabbit_listener(exchange = "amq.logs", kind = "topic")]
async fn on_order(Text(_order): Text) {}

fn main() {}
