//! A handler that is no method.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    #[rabbit_handler(default)]
    async fn created(_body: Bytes) {}
}

fn main() {}
