//! Handlers of a type that nobody chooses.

use springhare::prelude::*;

struct Orders;

#[rabbit_listener(queue = "orders")]
impl<T> Orders {
    #[rabbit_handler(default)]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
