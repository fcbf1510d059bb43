//! Destinations that are none.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", send_to = "prices/eur/today")]
async fn two_slashes() -> Text {
    Text::default()
}

#[rabbit_listener(queue = "orders", send_to = "/")]
async fn empty() -> Text {
    Text::default()
}

fn main() {}
