//! One answer to many.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100)]
async fn on_orders(_orders: Vec<Text>) -> Json<u32> {
    Json(1)
}

fn main() {}
