//! Every kind of return value.

use std::num::ParseIntError;

use springhare::prelude::*;

#[rabbit_listener(queue = "q")]
async fn nothing() {}

#[rabbit_listener(queue = "q")]
async fn unit() -> () {}

#[rabbit_listener(queue = "q")]
async fn outcome() -> Outcome {
    Outcome::Ack
}

#[rabbit_listener(queue = "q")]
async fn listener_result(Text(line): Text) -> ListenerResult {
    let _: u8 = line.parse()?;
    Ok(())
}

#[rabbit_listener(queue = "q")]
async fn own_error(Text(line): Text) -> Result<(), ParseIntError> {
    line.parse::<u8>().map(drop)
}

#[rabbit_listener(queue = "q")]
async fn outcome_or_error() -> ListenerResult<Outcome> {
    Ok(Outcome::Requeue)
}

fn main() {}
