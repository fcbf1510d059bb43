//! A kind that AMQP does not have.

use springhare::prelude::*;

#[rabbit_listener(exchange = "logs", kind = "topik", key = "*.error")]
async fn on_order(Text(_order): Text) {}

fn main() {}
