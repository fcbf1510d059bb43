//! A value that decides nothing about the message.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order(Text(line): Text) -> usize {
    line.len()
}

fn main() {}
