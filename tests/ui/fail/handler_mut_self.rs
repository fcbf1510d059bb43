//! A handler that wants its value alone.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(default)]
    async fn created(&mut self, _body: Bytes) {}
}

fn main() {}
