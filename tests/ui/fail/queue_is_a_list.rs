//! A list where one name belongs.

use springhare::prelude::*;

#[rabbit_listener(queue = ["orders", "refunds"])]
async fn on_order(Text(_order): Text) {}

fn main() {}
