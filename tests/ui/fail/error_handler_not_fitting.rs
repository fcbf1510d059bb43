//! A function that takes no error.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", error_handler = on_failure)]
async fn on_order(Text(_order): Text) {}

async fn on_failure(_error: String) -> ListenerResult {
    Ok(())
}

fn main() {}
