//! Two handlers for all the rest.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(default)]
    async fn one(&self, _body: Bytes) {}

    #[rabbit_handler(default)]
    async fn other(&self, _body: Bytes) {}
}

fn main() {}
