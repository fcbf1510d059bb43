//! All mistakes at once.

use springhare::prelude::*;

#[rabbit_listener(queu = "orders", prefetch = "many", ack = "sometimes")]
fn on_order<T>(_first: DeliveryTag, _second: DeliveryTag) -> impl Send {}

fn main() {}
