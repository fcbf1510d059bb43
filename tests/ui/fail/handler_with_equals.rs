//! A list is no value.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler = "order.created"]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
