//! A type without a name.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
impl (u8, u8) {
    #[rabbit_handler(default)]
    async fn created(&self, _body: Bytes) {}
}

fn main() {}
