//! There is nothing to say.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[payload(required)] _order: String) {}

fn main() {}
