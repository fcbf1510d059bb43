//! An argument from two places.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[payload] #[header("x-id")] _order: String) {}

fn main() {}
