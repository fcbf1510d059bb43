//! Two lists of tags.

use springhare::prelude::*;

#[rabbit_listener(queue = "orders", batch = 100, ack = "manual")]
async fn on_orders(_tags: Vec<DeliveryTag>, _again: Vec<DeliveryTag>) {}

fn main() {}
