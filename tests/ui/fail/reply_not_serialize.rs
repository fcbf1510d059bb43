//! A reply that cannot be written, and values that are no replies.

use serde::Deserialize;
use springhare::prelude::*;

#[derive(Deserialize)]
struct Offer {
    _cents: u32,
}

#[rabbit_listener(queue = "orders")]
async fn price() -> Json<Offer> {
    Json(Offer { _cents: 1 })
}

#[rabbit_listener(queue = "orders")]
async fn perhaps() -> Option<u32> {
    None
}

fn main() {}
