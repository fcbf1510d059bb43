//! A future that cannot move between threads.

use std::rc::Rc;

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(Text(line): Text) {
    let line = Rc::new(line);
    std::future::ready(()).await;
    drop(line);
}

fn main() {}
