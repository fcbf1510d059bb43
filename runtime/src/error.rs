//! What can go wrong outside of a handler: [`Error`] is what the application's start and stop
//! and the template's calls answer.
//!
//! Deliberately out: a handler's own failure, which is a
//! [`ListenerError`](crate::ListenerError), and settlement, which is a
//! [`SettleError`](crate::SettleError).

mod call;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::{AmqpError, MethodId, ShortStringTooLong};
use springhare_broker::ReturnedMessage;

use crate::connection::{AddressError, LinkError, PublishError};
use crate::convert::ConversionError;

pub use call::{CallError, RemoteError};

/// The result of most calls of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call of this crate failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message went to an exchange that does not exist; nothing was published.
    #[error(
        "the message was not published, its exchange does not exist: {0}; declare it with a \
         listener or `.declare(Exchange::..)`, or correct the name"
    )]
    NoExchange(#[source] AmqpError),
    /// The message reached no queue; the broker has not kept it.
    #[error("{}", unroutable(.0))]
    Unroutable(Box<ReturnedMessage>),
    /// The broker did not take the message: refused, or the connection was lost before the
    /// confirm came. In the latter case it may be there all the same.
    #[error("the broker did not confirm the message: {0}")]
    NotConfirmed(#[source] NotConfirmed),
    /// The broker refused an operation.
    #[error("the broker refused: {0}")]
    Amqp(#[from] AmqpError),
    /// The connection or a channel on it failed.
    #[error(transparent)]
    Link(LinkError),
    /// The broker's address can't be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// An exchange, a routing key or another short string has more than 255 bytes.
    #[error(transparent)]
    TooLong(#[from] ShortStringTooLong),
    /// A message's delay is longer than an exchange keeps it back.
    #[error("a delay of {} s is more than the 49 days that an exchange keeps a message", delay.as_secs())]
    DelayTooLong {
        /// The delay.
        delay: Duration,
    },
    /// A value could not become a message, or a message a value.
    #[error(transparent)]
    Conversion(#[from] ConversionError),
    /// A handler has put more into its [`Outbox`](crate::Outbox) than that holds.
    #[error(
        "the outbox is full: it holds {messages} messages and {bytes} bytes in them at most; send \
         large numbers of messages with `RabbitTemplate`"
    )]
    OutboxFull {
        /// How many messages it holds.
        messages: usize,
        /// How many bytes they may have together.
        bytes: usize,
    },
    /// A call got no reply that it could use.
    #[error(transparent)]
    Call(Box<CallError>),
    /// The application can't start as it is written; every fault is named.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What was to be declared contradicts itself, the application or the broker.
    #[error("{0}")]
    Declaration(Box<StartFault>),
    /// The broker in this process could not be started.
    #[error("the embedded broker could not start: {0}")]
    Broker(#[from] springhare_broker::Error),
    /// There is no listener of this id.
    #[error("there is no listener with the id `{id}`")]
    UnknownListener {
        /// The id.
        id: String,
    },
    /// There is no broker of this name.
    #[error("there is no broker `{name}`")]
    UnknownBroker {
        /// The name.
        name: String,
    },
    /// No listener is in this group.
    #[error("there is no listener in the group `{group}`")]
    UnknownGroup {
        /// The group.
        group: String,
    },
    /// A listener can't be added to a running application; all that is wrong with it.
    #[error("{}", listed("the listener can't be added", .0))]
    NotAdded(Vec<StartFault>),
    /// A listener can't be removed by itself.
    #[error(
        "listener `{id}` shares its consumers with {others} and can't be removed without them; stop \
         them together"
    )]
    NotRemoved {
        /// The listener's id.
        id: String,
        /// The ids of those that share its consumers.
        others: String,
    },
    /// The listener was told to stop and is not done: its handler still works on a message.
    #[error("the listener `{id}` is still stopping; it can be started once its handler is done")]
    StillStopping {
        /// The listener's id.
        id: String,
    },
    /// A message was to be answered, and nobody says where its reply goes.
    #[error(
        "a message of queue '{queue}' names no queue for its reply in `reply_to`; it is back in its \
         queue. Say where replies go, `.to(\"..\")`"
    )]
    NoReplyTo {
        /// The queue that it came from.
        queue: String,
    },
    /// The application stops or has been stopped.
    #[error("the application is stopped")]
    Stopped,
    /// Anything else that a part of the application reports.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// The same as `Display`: a `main` that returns the error shows its `Debug`, and what is wrong and
/// what to do about it is in the text.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Whether what failed passes by itself, so that the same may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::NotConfirmed(NotConfirmed::NotSent(_) | NotConfirmed::Unknown(_)) => true,
            Self::Link(error) => !error.is_login_refused(),
            _ => self.is_nack(),
        }
    }

    /// The error that this one shows itself as, which its chain of sources passes over.
    pub(crate) fn shown_as(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Link(error) => Some(error),
            Self::Address(error) => Some(error),
            Self::TooLong(error) => Some(error),
            Self::Conversion(error) => Some(error),
            Self::Call(error) => Some(&**error),
            Self::Start(error) => Some(error),
            Self::Other(error) => Some(&**error),
            _ => None,
        }
    }

    /// In a word what went wrong, for whoever counts; as OpenTelemetry has it `_OTHER` where none is known.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Unroutable(_) => "unroutable",
            Self::NoExchange(_) => "no_exchange",
            Self::Amqp(_) | Self::NotConfirmed(NotConfirmed::Refused(_)) => "refused",
            Self::NotConfirmed(_) | Self::Link(_) => "connection",
            Self::Conversion(_) => "conversion",
            Self::Stopped => "stopped",
            Self::Call(call) => call.kind(),
            _ => "_OTHER",
        }
    }

    /// Whether the broker could not take it now: a queue is full, or its leader is being elected.
    pub(crate) fn is_nack(&self) -> bool {
        match self {
            Self::NotConfirmed(NotConfirmed::Refused(error)) => {
                error.method() == MethodId::BASIC_NACK
            }
            _ => false,
        }
    }

    /// The same error for another who waited for the same.
    pub(crate) fn of_shared(error: &Arc<Self>) -> Self {
        match &**error {
            Self::NoExchange(error) => Self::NoExchange(error.clone()),
            Self::Unroutable(returned) => Self::Unroutable(returned.clone()),
            Self::NotConfirmed(error) => Self::NotConfirmed(error.clone()),
            Self::Amqp(error) => Self::Amqp(error.clone()),
            Self::Link(error) => Self::Link(error.clone()),
            Self::Stopped => Self::Stopped,
            _ => Self::Other(Box::new(Arc::clone(error))),
        }
    }

    /// The protocol's error, where one is behind it.
    #[must_use]
    pub fn amqp(&self) -> Option<&AmqpError> {
        match self {
            Self::NoExchange(error)
            | Self::Amqp(error)
            | Self::NotConfirmed(NotConfirmed::Refused(error)) => Some(error),
            Self::Link(error)
            | Self::NotConfirmed(NotConfirmed::NotSent(error) | NotConfirmed::Unknown(error)) => {
                error.amqp()
            }
            Self::Call(call) => match &**call {
                CallError::NotSent(error) | CallError::Unknown(error) => error.amqp(),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Why there was no confirm.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotConfirmed {
    /// The broker refused the message; it has not kept it.
    #[error("{0}")]
    Refused(AmqpError),
    /// The connection was lost before the message was handed to it; the broker does not have it.
    #[error("the message was not sent, {0}")]
    NotSent(LinkError),
    /// The connection ended first; whether the broker has the message is not known.
    #[error("the connection ended before the confirm came, it may or may not be there: {0}")]
    Unknown(LinkError),
}

fn unroutable(returned: &ReturnedMessage) -> String {
    let key = returned.routing_key.as_str();
    let reason = format!("{} {}", returned.reply_code.code(), returned.reply_text);
    if returned.exchange.is_empty() {
        format!(
            "the message reached no queue, there is no queue '{key}' ({reason}); declare it with a \
             listener or `.declare(Queue::durable(\"{key}\"))`"
        )
    } else {
        format!(
            "the message reached no queue, none is bound to exchange '{}' for key '{key}' \
             ({reason})",
            returned.exchange
        )
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NoExchange(error) => Self::NoExchange(error),
            PublishError::Unroutable(returned) => Self::Unroutable(returned),
            PublishError::Refused(error) => Self::NotConfirmed(NotConfirmed::Refused(error)),
            PublishError::NotSent(error) => Self::NotConfirmed(NotConfirmed::NotSent(error)),
            PublishError::Unknown(error) => Self::NotConfirmed(NotConfirmed::Unknown(error)),
        }
    }
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Amqp(error) => Self::Amqp(error),
            other => Self::Link(other),
        }
    }
}

/// The application can't start: everything that is wrong with it, each with its place.
#[derive(Clone, PartialEq, Eq)]
pub struct StartError {
    faults: Vec<StartFault>,
}

impl StartError {
    /// An error of these faults; none if there are none.
    pub(crate) fn of(faults: Vec<StartFault>) -> std::result::Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self::with(faults)) }
    }

    /// An error of these faults, of which there are some.
    pub(crate) fn with(faults: Vec<StartFault>) -> Self {
        Self { faults }
    }

    /// The faults, in the order of the listeners.
    #[must_use]
    pub fn faults(&self) -> &[StartFault] {
        &self.faults
    }
}

impl std::error::Error for StartError {}

/// The same as `Display`: it is what a `main` that returns the error shows.
impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&listed("the application can't start", &self.faults))
    }
}

/// What can't be done, and each reason with its place.
fn listed(what: &str, faults: &[StartFault]) -> String {
    if let [only] = faults {
        return format!("{what}: {only}");
    }
    let mut text = format!("{what}, for {} reasons:", faults.len());
    for (number, fault) in (1..).zip(faults) {
        text.push_str(&format!("\n{number:>3}. {fault}"));
    }
    text
}

/// One thing that is wrong with the application: what, where and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartFault {
    text: String,
    places: Vec<Place>,
}

/// A line of source: `src/orders.rs:12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the compiler names it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl StartFault {
    /// A fault that says what is wrong and how to put it right.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), places: Vec::new() }
    }

    /// The same fault, at this place too.
    pub(crate) fn at(mut self, file: &'static str, line: u32) -> Self {
        self.places.push(Place { file, line });
        self
    }

    /// The same fault of an application with several brokers, of which it is about this one.
    pub(crate) fn on_broker(self, name: &str) -> Self {
        Self { text: format!("broker `{name}`: {}", self.text), ..self }
    }

    /// What is wrong, and how to put it right.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where: one place, or all that contradict one another; none for what only the builder
    /// was told.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }
}

impl fmt::Display for StartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, place) in self.places.iter().enumerate() {
            let separator = if index == 0 { "" } else { " and " };
            write!(f, "{separator}{place}")?;
        }
        let separator = if self.places.is_empty() { "" } else { ": " };
        write!(f, "{separator}{}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use springhare_amqp::{Message, MethodId, ReplyCode, ShortString};

    fn returned(exchange: &'static str) -> PublishError {
        PublishError::Unroutable(Box::new(ReturnedMessage {
            reply_code: ReplyCode::NoRoute,
            reply_text: ShortString::from_static("NO_ROUTE"),
            exchange: ShortString::from_static(exchange),
            routing_key: ShortString::from_static("boot_hello"),
            message: Message::default(),
        }))
    }

    #[test]
    fn a_publish_that_failed_says_why_and_what_to_do() {
        let missing = AmqpError::new(
            ReplyCode::NotFound,
            MethodId::BASIC_PUBLISH,
            "no exchange 'logs' in vhost '/'",
        );
        let error = Error::from(PublishError::NoExchange(missing.clone()));
        assert!(error.to_string().contains("404 NOT_FOUND - no exchange 'logs'"), "{error}");
        assert_eq!(error.amqp(), Some(&missing));
        let error = Error::from(returned("")).to_string();
        assert!(error.contains("there is no queue 'boot_hello' (312 NO_ROUTE)"), "{error}");
        let error = Error::from(returned("logs")).to_string();
        assert!(error.contains("exchange 'logs' for key 'boot_hello'"), "{error}");
    }

    #[test]
    fn a_main_that_returns_an_error_shows_its_text() {
        let address = "embedded://data".parse::<crate::connection::Address>().unwrap_err();
        let text = address.to_string();
        assert_eq!(format!("{:?}", Error::from(address)), text);
    }

    #[test]
    fn all_faults_are_told_at_once_with_their_places() {
        let one = StartFault::new("no state").at("src/a.rs", 3);
        let two = StartFault::new("queue 'q' differs").at("src/a.rs", 3).at("src/b.rs", 9);
        assert_eq!(StartError::of(Vec::new()), Ok(()));
        let single = StartError::of(vec![one.clone()]).unwrap_err();
        assert_eq!(single.to_string(), "the application can't start: src/a.rs:3: no state");
        let error = StartError::of(vec![one, two]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the application can't start, for 2 reasons:\n  1. src/a.rs:3: no state\n  \
             2. src/a.rs:3 and src/b.rs:9: queue 'q' differs"
        );
        assert_eq!(error.faults().len(), 2);
    }
}
