//! A handler without a listener around it.

use springhare::prelude::*;

struct Orders;


impl Orders {
    #[rabbit_handler(type = "OrderCreated")]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
