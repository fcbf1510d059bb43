//! A type that nobody chooses.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order<T: serde::de::DeserializeOwned>(Json(_order): Json<T>) {}

fn main() {}
