//! An impl that handles nothing.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Orders {
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
