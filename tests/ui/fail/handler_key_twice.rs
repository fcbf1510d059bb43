//! Two types for one handler, and a default that is none.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(type = "order.created", type = "order.changed")]
    async fn written(&self, _body: Bytes) {}

    #[rabbit_handler(default = "yes")]
    async fn other(&self, _body: Json<String>) {}
}

fn main() {}
