//! A tag that is taken twice.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", ack = "manual")]
async fn on_order(_first: DeliveryTag, _second: DeliveryTag) {}

fn main() {}
