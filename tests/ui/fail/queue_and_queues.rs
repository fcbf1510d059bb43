//! One name and a list of names.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", queues = ["refunds"])]
async fn on_order(Text(_order): Text) {}

fn main() {}
