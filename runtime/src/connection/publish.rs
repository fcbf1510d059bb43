use std::collections::VecDeque;
use std::fmt;

use springhare_amqp::AmqpError;
use springhare_broker::{Publish, ReturnedMessage, Unconfirmed};
use tokio::sync::oneshot;

use super::LinkError;

/// What became of a published message.
pub type PublishResult = Result<(), PublishError>;

/// Why a message was not published, as far as that is known.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no such exchange (404).
    #[error("{0}")]
    NoExchange(AmqpError),
    /// It was mandatory and reached no queue (312).
    #[error(
        "{} {}: no queue for routing key '{}' on exchange '{}'",
        .0.reply_code.code(), .0.reply_text, .0.routing_key, .0.exchange
    )]
    Unroutable(Box<ReturnedMessage>),
    /// The broker refuses the message: too large, a wrong property, an internal exchange.
    #[error("{0}")]
    Refused(AmqpError),
    /// The connection was lost before the message was handed to it: the broker does not have it.
    #[error("the message was not sent: {0}")]
    NotSent(LinkError),
    /// The connection was lost after that, and before the confirm came: whether the broker has the
    /// message is not known.
    #[error("the message was sent, and may or may not have arrived: {0}")]
    Unknown(LinkError),
}

/// Whether a publish waits for the broker's confirm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Confirmation {
    /// Its result is the broker's confirm.
    #[default]
    Awaited,
    /// It is done once it is handed over; what is known by then is still an error.
    Unconfirmed,
}

/// The wait for the result of a publish that the link has taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishWait {
    /// Somebody sends it; a sender that is dropped means [`PublishError::Unknown`].
    Answer(oneshot::Receiver<PublishResult>),
    /// The broker in this process has the message, and it may have to reach the disk.
    Disk(Unconfirmed),
    /// It is known, and has its place among those that are not.
    Known(PublishResult),
}

/// One publish on its way.
#[derive(Default)]
pub struct PublishCall {
    /// The publish, until the link has taken it; there again after [`PublishError::NotSent`] of
    /// a link over the network, for another attempt.
    pub publish: Option<Publish>,
    /// Whether to wait for the confirm.
    pub confirmation: Confirmation,
    /// The wait for the result, once the publish is taken; links that were done at once have none.
    pub waiting: Option<PublishWait>,
}

impl PublishCall {
    /// A publish that no link has seen yet.
    #[must_use]
    pub fn new(publish: Publish, confirmation: Confirmation) -> Self {
        Self { publish: Some(publish), confirmation, waiting: None }
    }
}

impl fmt::Debug for PublishCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishCall")
            .field("publish", &self.publish)
            .field("confirmation", &self.confirmation)
            .field("waiting", &self.waiting.is_some())
            .finish()
    }
}

/// Several publishes on their way, in order.
#[derive(Default)]
pub struct PublishBatch {
    /// The publishes that the link has not taken yet.
    pub publishes: VecDeque<Publish>,
    /// The results so far, in the order of the publishes.
    pub results: VecDeque<PublishResult>,
    /// The waits for the results of what was taken, in order; links that were done at once have
    /// none.
    pub waiting: VecDeque<PublishWait>,
    /// How many may be without a result when the link is ready for more; 0 for none.
    pub open_max: usize,
    /// The link's own: where the last one went, if what goes elsewhere has to wait for it.
    pub path: Option<u16>,
}

impl fmt::Debug for PublishBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishBatch")
            .field("publishes", &self.publishes.len())
            .field("results", &self.results.len())
            .field("waiting", &self.waiting.len())
            .field("open_max", &self.open_max)
            .finish_non_exhaustive()
    }
}
