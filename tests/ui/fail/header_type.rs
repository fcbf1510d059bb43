//! A header of a type that no header has.

use springhare::prelude::*;

struct Level;

#[rabbit_listener(queue = "orders")]
async fn on_order(#[header("x-level")] _level: Level) {}

fn main() {}
