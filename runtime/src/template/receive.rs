use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::de::DeserializeOwned;
use springhare_amqp::{Message, ShortString};
use springhare_broker::{
    BasicConsumeOptions, ConsumerEnd, Delivery, Multiple, NoAck, QosScope, Requeue,
};
use tokio::sync::MutexGuard;

use super::{ParkReason, ParkedFrom, RabbitTemplate, Retried, error_queue_of};
use crate::connection::{LinkChannel, LinkError};
use crate::error::{Error, Result};
use crate::middleware::{Flow, Received, Then};

/// A message that is not settled yet.
pub(super) struct Got<'t> {
    pub(super) delivery: Delivery,
    /// As the processors left it, where there are any.
    processed: Option<Message>,
    channel: Arc<dyn LinkChannel>,
    /// The template's channel is nobody else's meanwhile: another caller's fault would close it. One
    /// that waited for its message has a channel of its own, which closes with it.
    one_at_a_time: Option<Held<'t>>,
}

/// How many messages that a processor discards one call passes over: they may come as fast as they go.
const PASSED_OVER_MAX: usize = 1000;

/// Nobody else receives on the template's channel while it is held.
type Held<'t> = MutexGuard<'t, Option<Arc<dyn LinkChannel>>>;

impl<'t> Got<'t> {
    fn new(
        delivery: Delivery,
        channel: Arc<dyn LinkChannel>,
        one_at_a_time: Option<Held<'t>>,
    ) -> Self {
        Self { delivery, processed: None, channel, one_at_a_time }
    }
}

/// Where a message is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// On the template's channel, unless it has to be waited for.
    ChannelOfAll,
    /// On one that is for nothing else: whoever has the message may receive others meanwhile, and it goes
    /// back to its queue if nobody settles it.
    ChannelOfItsOwn,
}

impl Got<'_> {
    /// The message, as the processors left it.
    pub(super) fn message(&self) -> &Message {
        self.processed.as_ref().unwrap_or(&self.delivery.message.message)
    }

    pub(super) async fn ack(&self) -> Result<()> {
        Ok(self.channel.basic_ack(self.delivery.delivery_tag, Multiple::One).await?)
    }

    /// Puts it back into its queue, where it is when this returns if its channel is its own: that is
    /// closed behind it, which would do so, too.
    pub(super) async fn give_back(self) {
        self.reject(Requeue::Yes).await;
    }

    async fn reject(self, requeue: Requeue) {
        let rejected = self.channel.basic_reject(self.delivery.delivery_tag, requeue).await;
        if let Err(error) = rejected {
            tracing::debug!(%error, "a message could not be given back");
        }
        if self.one_at_a_time.is_none() {
            close(&*self.channel).await;
        }
    }
}

type Receiving<'t, T> = Pin<Box<dyn Future<Output = Result<Option<T>>> + Send + 't>>;

/// One message on its way from a queue: what [`RabbitTemplate::receive`] returns. `.await` takes it.
///
/// ```
/// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
/// use std::time::Duration;
///
/// let Some(message) = rabbit.receive("orders").timeout(Duration::from_secs(5)).await? else {
///     return Ok(()); // none came
/// };
/// println!("{:?}", message.body);
/// # Ok(())
/// # }
/// ```
#[must_use = "a message is taken when its call is awaited"]
pub struct Receive<'t> {
    template: &'t RabbitTemplate,
    queue: &'t str,
    timeout: Duration,
}

impl<'t> Receive<'t> {
    /// How long it waits for a message where there is none; by default what
    /// [`receive_timeout`](crate::SpringhareBuilder::receive_timeout) says, else not at all, as in Spring.
    ///
    /// A message that comes as the time ends is returned, and none is lost. While it waits the queue has
    /// one consumer more. Opening a channel is not counted, but for one behind a message that a processor
    /// discards.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<'t> IntoFuture for Receive<'t> {
    type Output = Result<Option<Message>>;
    type IntoFuture = Receiving<'t, Message>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let on = On::ChannelOfAll;
            let Some(got) = self.template.next(self.queue, self.timeout, on).await? else {
                return Ok(None);
            };
            got.ack().await?;
            Ok(Some(got.message().clone()))
        })
    }
}

impl fmt::Debug for Receive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receive").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// One message on its way to be a `T`: what [`RabbitTemplate::receive_and_convert`] returns. `.await`
/// takes it.
#[must_use = "a message is taken when its call is awaited"]
pub struct ReceiveAndConvert<'t, T> {
    receive: Receive<'t>,
    value: PhantomData<fn() -> T>,
}

impl<T> ReceiveAndConvert<'_, T> {
    /// How long it waits for a message, as [`Receive::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.receive.timeout = timeout;
        self
    }
}

impl<'t, T: DeserializeOwned + Send + 't> IntoFuture for ReceiveAndConvert<'t, T> {
    type Output = Result<Option<T>>;
    type IntoFuture = Receiving<'t, T>;

    fn into_future(self) -> Self::IntoFuture {
        let Receive { template, queue, timeout } = self.receive;
        Box::pin(async move {
            let Some(got) = template.next(queue, timeout, On::ChannelOfAll).await? else {
                return Ok(None);
            };
            match template.converters().read(got.message()) {
                Ok(value) => {
                    got.ack().await?;
                    Ok(Some(value))
                }
                Err(error) => Err(template.unread(queue, got, error.into()).await),
            }
        })
    }
}

impl<T> fmt::Debug for ReceiveAndConvert<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.receive.fmt(f)
    }
}

impl RabbitTemplate {
    /// Takes one message from `queue`, if there is one (`basic.get`), or waits for one
    /// ([`timeout`](Receive::timeout)). What a [processor](crate::middleware::MessageProcessor) discards is
    /// acknowledged and passed over, a thousand messages at the most: then the call ends without one.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// if let Some(message) = rabbit.receive("orders").await? {
    ///     println!("{:?}", message.body);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Amqp`] when there is no such queue, [`Error::Link`] when the connection fails or the queue
    /// is deleted meanwhile, [`Error::Stopped`] when the application stops, [`Error::Other`] when a processor
    /// refuses the message.
    ///
    /// # Cancel safety
    ///
    /// A message that was taken and not returned comes back when the channel that it came on closes:
    /// the template's own with its connection, that of a call which waited at once.
    pub fn receive<'t>(&'t self, queue: &'t str) -> Receive<'t> {
        Receive { template: self, queue, timeout: self.shared.defaults.receive_timeout }
    }

    /// Takes one message from `queue`, if there is one or one comes within its
    /// [`timeout`](ReceiveAndConvert::timeout), and converts its body.
    ///
    /// It is acknowledged once it is converted. One that does not convert is parked in
    /// `<queue>.error` with the reason, so that the next call gets the next.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(1);
    /// if let Some(number) = rabbit.receive_and_convert::<u64>("numbers").timeout(limit).await? {
    ///     println!("{number}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Conversion`] when the body is not a `T`; what keeps such a message from being parked, and
    /// then it is back in its queue; and as [`receive`](Self::receive).
    ///
    /// # Cancel safety
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_and_convert<'t, T: DeserializeOwned>(
        &'t self,
        queue: &'t str,
    ) -> ReceiveAndConvert<'t, T> {
        ReceiveAndConvert { receive: self.receive(queue), value: PhantomData }
    }

    /// Parks a message that does not convert or is refused, and acknowledges it; one that can't be parked
    /// goes back to its queue. The error is that of the call.
    pub(super) async fn unread(&self, queue: &str, got: Got<'_>, error: Error) -> Error {
        if let Err(not_parked) = self.park_unread(queue, &got.delivery, error.to_string()).await {
            got.give_back().await;
            return not_parked;
        }
        got.ack().await.err().unwrap_or(error)
    }

    async fn park_unread(&self, queue: &str, delivery: &Delivery, exception: String) -> Result<()> {
        let reason = ParkReason::Fatal { exception };
        let before = Retried::of(&delivery.message).map_or(0, |retried| retried.failures);
        let attempts = before.saturating_add(delivery.delivery_count).saturating_add(1);
        let name = ShortString::truncated(queue);
        let from = ParkedFrom { queue: &name, attempts };
        self.park(&error_queue_of(queue), &delivery.message, &reason, from).await
    }

    /// The next message that the processors let pass, or the first that comes within this time.
    pub(super) async fn next(
        &self,
        queue: &str,
        timeout: Duration,
        on: On,
    ) -> Result<Option<Got<'_>>> {
        let clock = self.shared.publishing.clock();
        let until = clock.now().saturating_add(timeout);
        for _ in 0..PASSED_OVER_MAX {
            let left = until.saturating_sub(clock.now());
            let got = match on {
                On::ChannelOfAll => self.get_within(queue, left).await?,
                On::ChannelOfItsOwn => self.get_alone(queue, left).await?,
            };
            let Some(got) = got else { return Ok(None) };
            if let Some(got) = self.processed(queue, got).await? {
                return Ok(Some(got));
            }
        }
        Ok(None)
    }

    /// Has the processors look at a message; none if they discard it.
    async fn processed<'t>(&self, queue: &str, mut got: Got<'t>) -> Result<Option<Got<'t>>> {
        let middleware = self.middleware();
        if !middleware.has_processors() {
            return Ok(Some(got));
        }
        // What is parked is as the broker delivered it.
        let mut message = got.message().clone();
        let (then, error) = match middleware.received(&mut message) {
            Received::Goes(Flow::Continue) => {
                got.processed = Some(message);
                return Ok(Some(got));
            }
            Received::Goes(Flow::Discard) => {
                got.ack().await?;
                if got.one_at_a_time.is_none() {
                    close(&*got.channel).await;
                }
                return Ok(None);
            }
            Received::Panicked(panic) => {
                got.give_back().await;
                resume_unwind(panic)
            }
            Received::Refused { then, error } => (then, error),
        };
        match then {
            Then::Park => return Err(self.unread(queue, got, error).await),
            Then::Acknowledge => got.ack().await?,
            Then::GiveBack => got.give_back().await,
            Then::Reject => got.reject(Requeue::No).await,
        }
        Err(error)
    }

    /// Gets a message, and waits for one if there is none.
    async fn get_within(&self, queue: &str, timeout: Duration) -> Result<Option<Got<'_>>> {
        let got = self.get(queue).await?;
        if got.is_some() || timeout.is_zero() {
            return Ok(got);
        }
        let channel = self.shared.publishing.open_channel().await?;
        self.consume_one(channel, queue, timeout).await
    }

    /// Gets a message, or waits for one, on a channel of its own.
    async fn get_alone(&self, queue: &str, timeout: Duration) -> Result<Option<Got<'_>>> {
        let channel = self.shared.publishing.open_channel().await?;
        if let Some(got) = channel.basic_get(queue, NoAck::No).await? {
            return Ok(Some(Got::new(got.delivery, channel, None)));
        }
        if !timeout.is_zero() {
            return self.consume_one(channel, queue, timeout).await;
        }
        close(&*channel).await;
        Ok(None)
    }

    /// Gets a message, and holds the channel that it came on. Nothing that receives may be
    /// awaited before it is dropped.
    async fn get(&self, queue: &str) -> Result<Option<Got<'_>>> {
        let (channel, mut receiving) = loop {
            // Those who wait for a broker that is away share an attempt: behind the lock each would make
            // its own.
            let connection = self.shared.publishing.channels_connected().await?;
            let mut receiving = self.shared.receiving.lock().await;
            match receiving.take_if(|channel| channel.close_reason().is_none()) {
                Some(open) => break (open, receiving),
                None if connection.closed().is_some() => {}
                None => break (connection.open_channel().await?, receiving),
            }
        };
        *receiving = Some(Arc::clone(&channel));
        let got = channel.basic_get(queue, NoAck::No).await?;
        let one_at_a_time = Some(receiving);
        Ok(got.map(|got| Got::new(got.delivery, channel, one_at_a_time)))
    }

    /// Consumes one message, on a channel that is for nothing else: whatever it holds at its end goes back
    /// to the queue.
    async fn consume_one(
        &self,
        channel: Arc<dyn LinkChannel>,
        queue: &str,
        timeout: Duration,
    ) -> Result<Option<Got<'_>>> {
        let publishing = &self.shared.publishing;
        channel.basic_qos(1, QosScope::Consumer).await?;
        let options = BasicConsumeOptions::default();
        let mut consumer = channel.basic_consume(queue, "", options).await?;
        let mut received = VecDeque::new();
        let is_ended = tokio::select! {
            biased;
            count = poll_fn(|cx| consumer.poll_recv_many(cx, &mut received, 1)) => count == 0,
            () = publishing.clock().sleep(timeout) => false,
            () = publishing.until_stopped() => return Err(Error::Stopped),
        };
        if is_ended {
            return Err(ended(consumer.end()));
        }
        // One that is acknowledged makes room for the next, which is somebody else's.
        let tag = consumer.tag().clone();
        channel.basic_cancel(&tag).await?;
        if received.is_empty() {
            // It may have come as the time ended; after the cancel none does any more.
            poll_fn(|cx| {
                let _ = consumer.poll_recv_many(cx, &mut received, 1);
                Poll::Ready(())
            })
            .await;
        }
        let Some(delivery) = received.pop_front() else {
            close(&*channel).await;
            return Ok(None);
        };
        Ok(Some(Got::new(delivery, channel, None)))
    }
}

async fn close(channel: &dyn LinkChannel) {
    if let Err(error) = channel.close().await {
        tracing::debug!(%error, "a channel could not be closed");
    }
}

/// Why nothing comes any more.
fn ended(end: Option<ConsumerEnd>) -> Error {
    match end {
        Some(ConsumerEnd::Closed(error)) => Error::from(LinkError::from(error)),
        Some(ConsumerEnd::CancelledByBroker) => {
            Error::from(LinkError::Closed { what: "queue", reason: None })
        }
        Some(_) | None => Error::from(LinkError::Closed { what: "channel", reason: None }),
    }
}
