//! A handler of nobody knows what.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
