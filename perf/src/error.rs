use std::io;
use std::net::SocketAddr;

use springhare_amqp::wire::{DecodeError, FrameError};
use springhare_amqp::{ShortString, ShortStringTooLong};
use springhare_perf::process::ProcessError;

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("connecting to {address}: {source}")]
    Connect { address: SocketAddr, source: io::Error },
    #[error("the socket to the broker: {0}")]
    Socket(#[from] io::Error),
    #[error("the broker closed the socket")]
    PeerClosed,
    #[error("the broker closed the connection or the channel: {code} {text}")]
    Closed { code: u16, text: ShortString },
    #[error("the broker sent no frame: {0}")]
    Frame(#[from] FrameError),
    #[error("the broker sent a payload that can't be read: {0}")]
    Decode(#[from] DecodeError),
    #[error("the broker sent no {expected} within {seconds} s")]
    NoAnswer { expected: &'static str, seconds: u64 },
    #[error("the broker was not ready within {seconds} s: {source}")]
    NotReady { seconds: u64, source: Box<Self> },
    #[error("the broker has ended")]
    BrokerEnded,
    #[error("a body of {body} bytes needs more than one frame of {frame_max} bytes")]
    BodyTooLarge { body: usize, frame_max: usize },
    #[error("{0}")]
    Process(#[from] ProcessError),
    #[error("{0}")]
    Name(#[from] ShortStringTooLong),
    #[error("the limit of open files: {0}")]
    OpenFiles(io::Error),
    #[error("writing the report: {0}")]
    Report(serde_json::Error),
}
