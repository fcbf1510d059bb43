use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use springhare_amqp::ShortString;

use super::Channel;
use crate::engine::consume::StartedConsumer;
use crate::engine::outbox::ConsumerEnd;
use crate::model::delivery::Delivery;

/// A consumer: the stream of its deliveries.
///
/// Dropping it cancels it; what it had not received goes back to the queue.
///
/// ```
/// # use springhare_amqp::Message;
/// # use springhare_broker::{
/// #     BasicConsumeOptions, BasicPublishOptions, Broker, Multiple, QueueDeclareOptions,
/// # };
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let broker = Broker::builder().start()?;
/// # let channel = broker.connect("example")?.open_channel()?;
/// # channel.queue_declare("work", QueueDeclareOptions::default()).await?;
/// # channel
/// #     .basic_publish("", "work", BasicPublishOptions::default(), Message::new("job"))
/// #     .await?;
/// let mut consumer = channel.basic_consume("work", "", BasicConsumeOptions::default()).await?;
/// if let Some(delivery) = consumer.recv().await {
///     assert_eq!(delivery.message.message.body, "job");
///     channel.basic_ack(delivery.delivery_tag, Multiple::One).await?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Consumer {
    started: StartedConsumer,
    channel: Channel,
}

impl Consumer {
    pub(super) fn new(started: StartedConsumer, channel: Channel) -> Self {
        Self { started, channel }
    }

    /// The consumer tag.
    #[must_use]
    pub fn tag(&self) -> &ShortString {
        &self.started.tag
    }

    /// The queue it consumes from.
    #[must_use]
    pub fn queue(&self) -> &ShortString {
        self.started.queue_name()
    }

    /// The next delivery; none when the consumer has [ended](Self::end).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Delivery> {
        let mut next = VecDeque::with_capacity(1);
        poll_fn(|cx| self.poll_recv_many(cx, &mut next, 1)).await;
        next.pop_front()
    }

    /// Moves up to `max` deliveries, at least one, to the end of `buffer`, as soon as there is one, and says
    /// how many; 0 when the consumer has ended.
    ///
    /// Takes part in tokio's cooperative budget, one unit a call.
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut VecDeque<Delivery>,
        max: usize,
    ) -> Poll<usize> {
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let read = ready!(self.channel.cell().read(&self.started, max.max(1), cx.waker(), buffer));
        budget.made_progress();
        Poll::Ready(read)
    }

    /// Why the consumer gets nothing more; none while it runs.
    #[must_use]
    pub fn end(&self) -> Option<ConsumerEnd> {
        self.started.outbox.ended()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.channel.cell().cancel_started(&self.started);
    }
}
