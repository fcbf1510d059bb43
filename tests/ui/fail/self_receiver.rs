//! A method: there is nothing to call it on.

use springhare::prelude::*;

struct Orders;

impl Orders {
    #[rabbit_listener(queue = "orders")]
    async fn on_order(&self, Text(_order): Text) {}
}

fn main() {}
