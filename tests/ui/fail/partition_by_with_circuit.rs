//! A circuit that could not tell which failure came first.

use springhare::prelude::*;

#[rabbit_listener(
    queue = "orders",
    partition_by = "routing_key",
    circuit(failures = 10, pause = "30s")
)]
async fn on_order(Text(_order): Text) {}

fn main() {}
