use std::fmt::Debug;

use crate::connection::Confirmation;
use crate::error::{Error, NotConfirmed, Result};

/// Is told what becomes of messages that are sent, and of the connections for it.
pub(crate) trait TemplateObserver: Debug + Send + Sync {
    /// It is known what became of a message that was published.
    fn published(&self, fate: Fate);

    /// A request that was told to be [sent](Fate::Sent) came back.
    fn request_returned(&self);

    /// A message was given up and put into this error queue.
    fn parked(&self, queue: &str, reason: &'static str);

    /// A connection was opened.
    fn connected(&self, connection: &'static str);

    /// A connection was closed, or turned out to be lost.
    fn disconnected(&self, connection: &'static str);
}

/// What became of a message that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The broker was given it, and was asked for nothing more.
    Sent,
    Confirmed,
    /// The broker was given it and did not take it.
    Refused,
    /// It reached no queue.
    Returned,
    /// It was not sent, or that is not known.
    Failed,
}

impl Fate {
    pub(super) fn of(result: &Result<()>, confirmation: Confirmation) -> Self {
        match result {
            Ok(()) if confirmation == Confirmation::Awaited => Self::Confirmed,
            Ok(()) => Self::Sent,
            Err(Error::Unroutable(_)) => Self::Returned,
            Err(Error::NotConfirmed(NotConfirmed::Refused(_))) => Self::Refused,
            Err(_) => Self::Failed,
        }
    }
}
