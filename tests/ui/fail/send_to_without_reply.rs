//! A destination for replies, and a function that returns none.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", send_to = "prices")]
async fn nothing(Text(_line): Text) {}

#[rabbit_listener(queue = "orders", send_to = "prices/eur")]
async fn done(Text(_line): Text) -> ListenerResult {
    Ok(())
}

fn main() {}
