//! A circuit of single messages for many.

use springhare::prelude::*;
use springhare::DeliveryContext;

#[rabbit_listener(queue = "orders", batch = 10, circuit(failures = 10, pause = "30s"))]
async fn on_orders(_orders: Vec<Text>) {}

async fn on_failure(error: ListenerError, _cx: &DeliveryContext) -> ListenerResult {
    Err(error)
}

fn main() {}
