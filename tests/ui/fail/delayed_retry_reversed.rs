//! A delay whose least is more than its most.

use springhare::prelude::*;

#[rabbit_listener(
    queue = "orders",
    arguments(delayed_retry = "all", delayed_retry_min = "2s", delayed_retry_max = "1s")
)]
async fn on_message(Text(_text): Text) {}

fn main() {}
