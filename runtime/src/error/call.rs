use std::fmt;
use std::time::Duration;

use springhare_amqp::AmqpError;
use springhare_broker::ReturnedMessage;

use super::{Error, unroutable};
use crate::connection::LinkError;
use crate::convert::ConversionError;

/// Why a call got no reply that it could use: what
/// [`convert_send_and_receive`](crate::RabbitTemplate::convert_send_and_receive) fails with.
///
/// `?` takes it wherever it takes an [`Error`]; what both know becomes the same there.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No reply came in time. Whether somebody works on the request is not known.
    #[error("no reply came within {after:?}")]
    Timeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// The request reached no queue; nobody has it.
    #[error("{}", unroutable(.0))]
    Unroutable(Box<ReturnedMessage>),
    /// The request went to an exchange that does not exist; nobody has it.
    #[error(
        "the request was not published, its exchange does not exist: {0}; declare it with a \
         listener or `.declare(Exchange::..)`, or correct the name"
    )]
    NoExchange(#[source] AmqpError),
    /// The broker refused the request; nobody has it.
    #[error("the broker refused the request: {0}")]
    Refused(#[source] AmqpError),
    /// Who was asked answered that it failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The reply is not what was asked for.
    #[error("the reply can't be used: {0}")]
    Conversion(#[source] ConversionError),
    /// A [processor](crate::middleware::MessageProcessor) discarded the reply; the request was handled.
    #[error("a processor of the application discarded the reply")]
    ReplyDiscarded,
    /// A [processor](crate::middleware::MessageProcessor) refused the reply; the request was handled, or has failed.
    #[error("a processor of the application refused the reply: {0}")]
    ReplyRefused(#[source] Box<Error>),
    /// The request could not be made: a name is too long, its body does not convert, or a processor or a
    /// publish layer refused it. A layer may have failed once it was sent.
    #[error("the request could not be made: {0}")]
    Request(#[source] Box<Error>),
    /// A [publish layer](crate::middleware::PublishLayer) says that the request is sent, and did without
    /// sending it, or made nothing of a failure: no reply can come, and none was waited for.
    #[error("a publish layer answered for the request, which was not sent: no reply can come")]
    Withheld,
    /// There was no connection to send the request on; nobody has it.
    #[error("the request was not sent: {0}")]
    NotSent(#[source] LinkError),
    /// The connection was lost before the reply came; whether the request was handled is not
    /// known.
    #[error("the connection ended before the reply came, the request may have been handled: {0}")]
    Unknown(#[source] LinkError),
    /// The correlation id that the caller chose is one of a call that waits, or may be: numbers are those of
    /// calls without one. The request was not sent.
    #[error(
        "the correlation id '{id}' may be another call's, whose reply would be taken for this one's: \
         take one that is no number, and that no other call has meanwhile"
    )]
    CorrelationId {
        /// The id.
        id: String,
    },
    /// As many calls as may be wait for their replies; the request was not sent.
    #[error("{max} calls wait for their replies, and no more may")]
    TooManyInFlight {
        /// How many may wait.
        max: usize,
    },
    /// The application stops or has been stopped; whether the request was handled is not known.
    #[error("the application is stopped")]
    Stopped,
}

/// The same as `Display`, as of [`Error`].
impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl CallError {
    /// In a word what went wrong, for whoever counts; as OpenTelemetry has it `_OTHER` where none is known.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Unroutable(_) => "unroutable",
            Self::NoExchange(_) => "no_exchange",
            Self::Refused(_) => "refused",
            Self::Remote(_) => "remote",
            Self::NotSent(_) | Self::Unknown(_) => "connection",
            Self::Stopped => "stopped",
            _ => "_OTHER",
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unroutable(returned) => Self::Unroutable(returned),
            CallError::NoExchange(error) => Self::NoExchange(error),
            CallError::Refused(error) => Self::Amqp(error),
            CallError::Request(error) => *error,
            CallError::Stopped => Self::Stopped,
            other => Self::Call(Box::new(other)),
        }
    }
}

/// What a listener answered in place of a reply: its handler failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("who was asked has failed ({kind}): {message}")]
#[non_exhaustive]
pub struct RemoteError {
    /// What kind of failure it is: from a listener of ours `failed`, `rejected`, `fatal` (so is a
    /// request that it could not decode) or `panic`.
    pub kind: String,
    /// What the failure says.
    pub message: String,
}

impl RemoteError {
    pub(crate) fn new(kind: String, message: String) -> Self {
        Self { kind, message }
    }
}
