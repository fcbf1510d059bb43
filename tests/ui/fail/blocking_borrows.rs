//! A borrow on another thread.

use springhare::prelude::*;

#[derive(serde::Deserialize)]
struct Order<'a> {
    _item: &'a str,
}

#[rabbit_listener(queue = "orders", blocking)]
fn on_order(Json(_order): Json<Order<'_>>) {}

fn main() {}
