//! A number that nobody chooses.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders")]
async fn on_order<const N: usize>(Json(_order): Json<[u8; N]>) {}

fn main() {}
