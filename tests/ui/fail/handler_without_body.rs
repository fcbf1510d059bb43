//! A handler that does nothing.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(default)]
    async fn created(&self, _body: Bytes);
}

fn main() {}
