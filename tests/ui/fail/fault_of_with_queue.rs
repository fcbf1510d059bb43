//! A queue beside the faults of one.

use springhare::prelude::*;

#[rabbit_listener(fault_of = "orders", queue = "orders")]
async fn on_fault(_fault: Fault<Text>) {}

fn main() {}
