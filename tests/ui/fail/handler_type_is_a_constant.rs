//! A type that is known elsewhere.

use springhare::prelude::*;

const CREATED: &str = "order.created";

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(type = CREATED)]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
