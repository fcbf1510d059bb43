//! More delays than there may be.

use springhare::prelude::*;

#[rabbit_listener(
    queue = "orders",
    retry(delays = ["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]),
)]
async fn on_order(Text(_order): Text) {}

fn main() {}
