//! Two handlers of one type.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(type = "OrderCreated")]
    async fn one(&self, _body: Bytes) {}

    #[rabbit_handler(type = "OrderCreated")]
    async fn other(&self, _body: Bytes) {}
}

fn main() {}
