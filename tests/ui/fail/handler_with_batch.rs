//! Batches of several types.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders", batch = 100)]
impl Orders {
    #[rabbit_handler(default)]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
