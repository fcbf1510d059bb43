//! An argument without a type.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(_order: impl Send) {}

fn main() {}
