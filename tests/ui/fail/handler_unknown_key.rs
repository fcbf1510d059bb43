//! A key that handlers do not have.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(queue = "orders", default)]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
