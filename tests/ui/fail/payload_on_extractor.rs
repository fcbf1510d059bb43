//! An extractor that is said to be the body's type.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[payload] Json(_order): Json<u64>) {}

fn main() {}
