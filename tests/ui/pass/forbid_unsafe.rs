//! The registration is not the user's `unsafe`.

#![forbid(unsafe_code)]

use springhare::prelude::*;

#[rabbit_listener(queue = "q")]
async fn listener(Text(_body): Text) {}

fn main() {}
