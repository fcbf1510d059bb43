//! A closure for a listener at run time whose argument is no extractor.

use springhare::prelude::*;

struct Order;

fn main() {
    let listener = Listener::queue("orders").handler(|_order: Order| async move {});
    drop(listener);
}
