use std::time::Duration;

use springhare_perf::process::ProcessError;

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("not done after {0:?}")]
    NotDone(Duration),
    #[error("springhare-manual acks by hand: its only task is ack-each")]
    NothingByHand,
    #[error("the broker has refused a message")]
    Refused,
    #[error("the consumer ended before all messages were there")]
    Ended,
    #[error("springhare: {0}")]
    Springhare(#[from] springhare::Error),
    #[error("springhare: {0}")]
    SendAll(#[from] springhare::SendAllError),
    #[error("lapin: {0}")]
    Lapin(#[from] lapin::Error),
    #[error("amqprs: {0}")]
    Amqprs(#[from] amqprs::error::Error),
    #[error("{0}")]
    Process(#[from] ProcessError),
    #[error("writing the report: {0}")]
    Report(#[from] serde_json::Error),
}
