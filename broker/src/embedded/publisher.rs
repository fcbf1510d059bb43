use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use springhare_amqp::{AmqpError, ErrorScope, ReplyCode};
use tokio::task::coop::{RestoreOnPending, poll_proceed};

use crate::engine::broker_cell::{BrokerCell, shutdown};
use crate::engine::publish::{Publish, Published, Publishing, ReturnedMessage};

/// Publishes without a channel, so that one caller's fault closes nobody's.
///
/// `Ok` means that the broker has the message: it is in all queues it was routed to. Publishers
/// wait while messages take more memory than
/// [`memory_high_watermark`](crate::BrokerConfig::memory_high_watermark), and take part in
/// tokio's cooperative budget, so that they can't starve other tasks.
///
/// ```
/// # use springhare_amqp::{Message, ShortString};
/// # use springhare_broker::{Broker, Publish, PublishError};
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let broker = Broker::builder().start()?;
/// let publisher = broker.publisher();
/// let mut publish = Some(Publish {
///     exchange: ShortString::EMPTY,
///     routing_key: ShortString::from_static("nobody"),
///     mandatory: true,
///     message: Message::new("hello"),
/// });
/// let result = std::future::poll_fn(|cx| publisher.poll_publish(cx, &mut publish)).await;
/// assert!(matches!(result, Err(PublishError::Unroutable(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Publisher {
    broker: Arc<BrokerCell>,
    mark: MemoryMark,
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
    /// The broker was stopped, or the connection to it lost: the message may or may not have
    /// arrived.
    #[error("{0}")]
    Closed(AmqpError),
}

impl From<AmqpError> for PublishError {
    fn from(error: AmqpError) -> Self {
        match (error.code(), error.scope()) {
            (ReplyCode::NotFound, _) => Self::NoExchange(error),
            (ReplyCode::ConnectionForced, ErrorScope::Connection) => Self::Closed(error),
            _ => Self::Refused(error),
        }
    }
}

impl Publisher {
    pub(super) fn new(broker: Arc<BrokerCell>) -> Self {
        Self { broker, mark: MemoryMark::Heeded }
    }

    /// This publisher, but one that does not wait at the broker's memory mark.
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

    /// Publishes the message, once the broker takes it; `publish` is none afterwards.
    ///
    /// Pending while the broker is above its memory mark, unless the publisher is
    /// [exempt](Self::beyond_the_memory_mark) from that.
    ///
    /// # Errors
    ///
    /// [`PublishError`] says why nothing was published.
    pub fn poll_publish(
        &self,
        cx: &mut Context<'_>,
        publish: &mut Option<Publish>,
    ) -> Poll<PublishResult> {
        if !self.broker.is_running() {
            *publish = None;
            return Poll::Ready(Err(PublishError::Closed(shutdown())));
        }
        let budget = ready!(self.poll_room(cx));
        let Some(publish) = publish.take() else { return Poll::Ready(Ok(())) };
        budget.made_progress();
        let mut publishing = Publishing::on(self.broker.virtual_host());
        let published = publishing.publish(publish);
        if !publishing.finish().refused.is_empty() {
            return Poll::Ready(Err(PublishError::QueueFull));
        }
        Poll::Ready(result(published))
    }

    /// Publishes all messages in their order and adds a result for each; ready when none is
    /// left. One that is refused does not stop the others.
    ///
    /// Messages that go the same way are handed to their queues together. Pending with the rest
    /// still in `publishes` when the task's budget is used up or the broker is above its memory
    /// mark.
    pub fn poll_publish_many(
        &self,
        cx: &mut Context<'_>,
        publishes: &mut VecDeque<Publish>,
        results: &mut VecDeque<PublishResult>,
    ) -> Poll<()> {
        if !self.broker.is_running() {
            let closed = publishes.drain(..).map(|_| Err(PublishError::Closed(shutdown())));
            results.extend(closed);
            return Poll::Ready(());
        }
        let before = results.len();
        let mut publishing = Publishing::on(self.broker.virtual_host());
        let mut poll = Poll::Ready(());
        while !publishes.is_empty() {
            let Poll::Ready(budget) = self.poll_room(cx) else {
                poll = Poll::Pending;
                break;
            };
            budget.made_progress();
            let some = publishes.len().min(MESSAGES_PER_UNIT);
            for publish in publishes.drain(..some) {
                results.push_back(result(publishing.publish(publish)));
            }
        }
        for place in publishing.finish().refused {
            if let Some(result) = results.get_mut(before + place) {
                *result = Err(PublishError::QueueFull);
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

fn result(published: Result<Published, AmqpError>) -> PublishResult {
    match published? {
        Published::Routed | Published::Deferred => Ok(()),
        Published::Returned(message) => Err(PublishError::Unroutable(message)),
    }
}
