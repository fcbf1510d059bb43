//! A constant that is no name.

use springhare::prelude::*;

const ORDERS: u16 = 3;

#[rabbit_listener(queue = ORDERS)]
async fn on_order(Text(_order): Text) {}

fn main() {}
