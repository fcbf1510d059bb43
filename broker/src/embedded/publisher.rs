use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use springhare_amqp::{AmqpError, ErrorScope, MethodId, ReplyCode};
use tokio::task::coop::{RestoreOnPending, poll_proceed};

use crate::engine::broker_cell::{BrokerCell, shutdown};
use crate::engine::publish::{Finished, Publish, Published, Publishing, ReturnedMessage};
use crate::engine::synced::not_stored;
use crate::model::stored::Lsn;
use crate::store::Failure;

/// Publishes without a channel, so that one caller's fault closes nobody's.
///
/// A publish has two steps. The broker takes the message, which is in all queues it was routed to
/// then; and it is confirmed, once it is safe: on the disk, if it is persistent, a queue is durable
/// and the broker has a data folder, and at once otherwise. [`publish`](Self::publish) is both.
///
/// Publishers wait while messages take more memory than
/// [`memory_high_watermark`](crate::BrokerConfig::memory_high_watermark) and while the disk is nearly
/// full, and take part in tokio's cooperative budget, so that they can't starve other tasks.
///
/// ```
/// # use springhare_amqp::{Message, ShortString};
/// # use springhare_broker::{Broker, Publish, PublishError};
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let broker = Broker::builder().start()?;
/// let publish = Publish {
///     exchange: ShortString::EMPTY,
///     routing_key: ShortString::from_static("nobody"),
///     mandatory: true,
///     message: Message::new("hello"),
/// };
/// let result = broker.publisher().publish(publish).await;
/// assert!(matches!(result, Err(PublishError::Unroutable(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Publisher {
    broker: Arc<BrokerCell>,
    mark: MemoryMark,
}

/// A message that the broker has taken and not confirmed: it may not survive the broker.
///
/// It is confirmed by [`Publisher::poll_confirm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is not confirmed may not survive the broker"]
pub struct Unconfirmed {
    end: Lsn,
}

/// Whether a publisher waits at the broker's memory mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemoryMark {
    Heeded,
    Exempt,
}

/// How many messages of a batch cost a unit of the task's budget: at tokio's 128 units, a task
/// is let go after about a thousand, some 200 µs.
const MESSAGES_PER_UNIT: usize = 8;

/// The bytes of a batch's messages that are handed over together, before it is looked again whether
/// there is room.
const GATHERED_MAX_BYTES: usize = 1 << 20;

/// What became of a published message.
pub type PublishResult = Result<(), PublishError>;

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    /// A queue that it was routed to is full, and refuses messages then (`x-overflow` is
    /// `reject-publish`); others that it was routed to have it. Over a socket it is a
    /// `basic.nack`, which says no more.
    #[error("the broker could not take the message (basic.nack): a queue is full")]
    QueueFull,
    /// The disk is full or has failed (541). The broker may have the message, and whether it
    /// survives the broker is not known: nothing was promised.
    #[error("{0}")]
    NotStored(AmqpError),
    /// The broker was stopped, or the connection to it lost: the message may or may not have
    /// arrived.
    #[error("{0}")]
    Closed(AmqpError),
}

impl From<AmqpError> for PublishError {
    fn from(error: AmqpError) -> Self {
        match (error.code(), error.scope()) {
            (ReplyCode::NotFound, _) => Self::NoExchange(error),
            (ReplyCode::InternalError, _) => Self::NotStored(error),
            (ReplyCode::ConnectionForced, ErrorScope::Connection) => Self::Closed(error),
            _ => Self::Refused(error),
        }
    }
}

impl Publisher {
    pub(super) fn new(broker: Arc<BrokerCell>) -> Self {
        Self { broker, mark: MemoryMark::Heeded }
    }

    /// This publisher, but one that waits neither at the broker's memory mark nor for room on the disk.
    ///
    /// It is for a message that replaces another, which is settled right after: the copy that is
    /// parked of a message, say. Such a message adds next to nothing, and to wait would be for
    /// ever where the mark is reached by the very messages that are to be replaced.
    ///
    /// ```
    /// # use springhare_broker::Broker;
    /// # let broker = Broker::builder().start()?;
    /// let parking = broker.publisher().beyond_the_memory_mark();
    /// # Ok::<(), springhare_broker::Error>(())
    /// ```
    #[must_use]
    pub fn beyond_the_memory_mark(self) -> Self {
        Self { mark: MemoryMark::Exempt, ..self }
    }

    /// Publishes a message: ready once it is confirmed.
    ///
    /// # Errors
    ///
    /// [`PublishError`] says why it was not, and what that means.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped while it waits for room has published nothing. Later the broker has
    /// the message, and nobody hears whether it is safe.
    pub async fn publish(&self, publish: Publish) -> PublishResult {
        let mut publish = Some(publish);
        let unconfirmed = std::future::poll_fn(|cx| self.poll_publish(cx, &mut publish)).await?;
        std::future::poll_fn(|cx| self.poll_confirm(cx, unconfirmed)).await
    }

    /// Publishes the message, once the broker takes it; `publish` is none afterwards. What is left
    /// is its [confirm](Self::poll_confirm).
    ///
    /// Pending while memory or the disk are short, unless the publisher is
    /// [exempt](Self::beyond_the_memory_mark) from that; until it is ready nothing is published.
    ///
    /// # Errors
    ///
    /// [`PublishError`] says why nothing was published.
    pub fn poll_publish(
        &self,
        cx: &mut Context<'_>,
        publish: &mut Option<Publish>,
    ) -> Poll<Result<Unconfirmed, PublishError>> {
        if !self.broker.is_running() {
            *publish = None;
            return Poll::Ready(Err(PublishError::Closed(shutdown())));
        }
        let budget = ready!(self.poll_room(cx));
        let Some(publish) = publish.take() else { return Poll::Ready(Ok(Unconfirmed::SAFE)) };
        budget.made_progress();
        let mut publishing = Publishing::on(self.broker.virtual_host());
        let published = publishing.publish(publish);
        let Finished { refused, end, failure } = publishing.finish();
        if !refused.is_empty() {
            return Poll::Ready(Err(refusal(failure.as_ref())));
        }
        Poll::Ready(result(published).map(|()| Unconfirmed { end }))
    }

    /// Whether a message that the broker has taken is safe; otherwise the waker is called when it
    /// is, or can't be any more.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotStored`] when the disk has failed before.
    pub fn poll_confirm(
        &self,
        cx: &mut Context<'_>,
        unconfirmed: Unconfirmed,
    ) -> Poll<PublishResult> {
        let synced = self.broker.shared().poll_synced(unconfirmed.end, cx.waker());
        synced.map_err(|failure| refusal(Some(&failure)))
    }

    /// Publishes all messages in their order and adds for each what became of it; ready when none
    /// is left. One that is refused does not stop the others.
    ///
    /// Messages that go the same way are handed to their queues together. Pending with the rest
    /// still in `publishes` when the task's budget is used up, or memory or the disk are short.
    pub fn poll_publish_many(
        &self,
        cx: &mut Context<'_>,
        publishes: &mut VecDeque<Publish>,
        results: &mut VecDeque<Result<Unconfirmed, PublishError>>,
    ) -> Poll<()> {
        if !self.broker.is_running() {
            let closed = publishes.drain(..).map(|_| Err(PublishError::Closed(shutdown())));
            results.extend(closed);
            return Poll::Ready(());
        }
        let before = results.len();
        let mut publishing = Publishing::on(self.broker.virtual_host());
        let mut poll = Poll::Ready(());
        let mut gathered = 0;
        while !publishes.is_empty() {
            let Poll::Ready(budget) = self.poll_room(cx) else {
                poll = Poll::Pending;
                break;
            };
            budget.made_progress();
            for _ in 0..MESSAGES_PER_UNIT {
                let Some(publish) = publishes.pop_front() else { break };
                gathered += publish.message.body.len();
                let published = result(publishing.publish(publish));
                results.push_back(published.map(|()| Unconfirmed::SAFE));
                if gathered >= GATHERED_MAX_BYTES {
                    // Only now it is seen whether there is room for more.
                    publishing.flush();
                    gathered = 0;
                    break;
                }
            }
        }
        let Finished { refused, end, failure } = publishing.finish();
        if end != Lsn::NONE {
            for unconfirmed in results.iter_mut().skip(before).flatten() {
                unconfirmed.end = end;
            }
        }
        for place in refused {
            if let Some(result) = results.get_mut(before + place) {
                *result = Err(refusal(failure.as_ref()));
            }
        }
        poll
    }

    /// Ready with a unit of the task's budget when there is room for a message.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
        let budget = ready!(poll_proceed(cx));
        if self.mark == MemoryMark::Heeded {
            ready!(self.broker.virtual_host().memory().poll_room(cx.waker()));
        }
        Poll::Ready(budget)
    }
}

impl Unconfirmed {
    /// A message that nothing has to be waited for.
    const SAFE: Self = Self { end: Lsn::NONE };

    /// Whether it is confirmed as it is, without a wait for the disk.
    #[must_use]
    pub fn is_safe(self) -> bool {
        self == Self::SAFE
    }
}

/// Why a message was refused, or is not safe: the store's failure, or else a full queue.
fn refusal(failure: Option<&Failure>) -> PublishError {
    failure.map_or(PublishError::QueueFull, |failure| {
        PublishError::NotStored(not_stored(MethodId::BASIC_NACK, failure))
    })
}

fn result(published: Result<Published, AmqpError>) -> PublishResult {
    match published? {
        Published::Routed | Published::Deferred => Ok(()),
        Published::Returned(message) => Err(PublishError::Unroutable(message)),
    }
}
