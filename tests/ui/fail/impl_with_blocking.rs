//! An impl on a thread.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders", blocking)]
impl Orders {
    #[rabbit_handler(default)]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
