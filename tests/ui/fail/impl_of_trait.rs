//! Handlers in the impl of a trait.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl Clone for Orders {
    #[rabbit_handler(default)]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
