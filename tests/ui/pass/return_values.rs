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

#[rabbit_listener(queue = "q", send_to = "answers/done", return_errors = true)]
async fn json(Text(line): Text) -> ListenerResult<Json<usize>> {
    Ok(Json(line.len()))
}

#[rabbit_listener(queue = "q")]
async fn borrowed<'d>(line: &'d str) -> Json<&'d str> {
    Json(line)
}

#[rabbit_listener(queue = "q")]
async fn perhaps(body: Bytes) -> Option<Bytes> {
    (!body.is_empty()).then_some(body)
}

#[rabbit_listener(queue = "q", send_to = "answers", blocking)]
fn elsewhere(Text(line): Text) -> Reply<String> {
    Reply::new(line).to(("answers", "done"))
}

#[rabbit_listener(queue = "q")]
async fn whole() -> Result<Message, ParseIntError> {
    Ok(Message::new("tea"))
}

fn main() {}
