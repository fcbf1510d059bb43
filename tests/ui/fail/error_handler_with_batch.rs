//! A handler of one failure for many.

use springhare::prelude::*;
use springhare::DeliveryContext;

#[rabbit_listener(queue = "orders", batch = 10, error_handler = on_failure)]
async fn on_orders(_orders: Vec<Text>) {}

async fn on_failure(error: ListenerError, _cx: &DeliveryContext) -> ListenerResult {
    Err(error)
}

fn main() {}
