//! A handler, twice.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(default)]
    #[rabbit_handler(type = "order.created")]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
