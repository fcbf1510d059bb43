//! Faults that are bound to something.

use springhare::prelude::*;

#[rabbit_listener(fault_of = "orders", exchange = "shop")]
async fn on_fault(_fault: Fault<Text>) {}

fn main() {}
