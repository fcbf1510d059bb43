//! A handler that blocks.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(default)]
    fn created(&self, _body: Bytes) {}
}

fn main() {}
