//! Publishing in batches: many small messages become one, as with Spring's `BatchingRabbitTemplate`.

mod filling;
mod strategy;

use std::sync::Arc;

use springhare_broker::Publish;
use tokio::sync::Semaphore;

pub use strategy::BatchingStrategy;

use super::{ConvertAndSend, IntoRoute, RabbitTemplate};
use crate::convert::IntoBody;
use crate::error::{Error, Result};
use filling::{Filling, Put};

/// How many batches may be on their way or filling at a time; whoever would begin one more waits.
const BATCHES_MAX: usize = 16;

/// A template whose messages go out several in one: what [`RabbitTemplate::batching`] returns. A clone
/// is the same.
///
/// Messages of one route and of the same properties share a batch, and are received as they were sent:
/// listeners take batches apart, those of Spring and those of this crate
/// ([`de_batching_enabled`](crate::ListenerSettings::de_batching_enabled)). The parts have the properties
/// of the first: `message_id`, `correlation_id` and `timestamp` of the others are not kept. A message
/// that differs in anything else begins the next batch, and one that is compressed goes alone.
///
/// Each call ends when its batch is confirmed, so one caller has many on their way: awaited one after
/// the other, each would wait for the batch's time.
///
/// ```
/// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
/// use springhare::BatchingStrategy;
///
/// let batching = rabbit.batching(BatchingStrategy::of(100));
/// let readings = (0..1000_u32).map(|reading| {
///     let batching = &batching;
///     async move { batching.convert_and_send("readings", &reading).await }
/// });
/// futures_util::future::try_join_all(readings).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BatchingRabbitTemplate {
    template: RabbitTemplate,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    strategy: BatchingStrategy,
    filling: Filling,
    room: Arc<Semaphore>,
}

impl Drop for Shared {
    /// What nobody can add to any more goes out.
    fn drop(&mut self) {
        self.filling.release();
    }
}

impl RabbitTemplate {
    /// A template that sends several messages as one.
    ///
    /// The returned one has a batch of its own: keep it, and clone it.
    ///
    /// ```
    /// # fn example(rabbit: springhare::RabbitTemplate) {
    /// use std::time::Duration;
    ///
    /// use springhare::BatchingStrategy;
    ///
    /// let strategy = BatchingStrategy::of(500).timeout(Duration::from_millis(50));
    /// let batching = rabbit.batching(strategy);
    /// # drop(batching);
    /// # }
    /// ```
    #[must_use]
    pub fn batching(&self, strategy: BatchingStrategy) -> BatchingRabbitTemplate {
        let room = Arc::new(Semaphore::new(BATCHES_MAX));
        let shared = Arc::new(Shared { strategy, filling: Filling::default(), room });
        BatchingRabbitTemplate { template: self.clone(), shared }
    }
}

impl BatchingRabbitTemplate {
    /// Puts a body along a route into the batch, and waits for the broker's confirm of the batch.
    ///
    /// Route and body are those of [`RabbitTemplate::convert_and_send`].
    ///
    /// # Errors
    ///
    /// Those of [`RabbitTemplate::convert_and_send`], the same for all messages of a batch.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the message may have been sent or not.
    pub async fn convert_and_send(&self, route: impl IntoRoute, body: impl IntoBody) -> Result<()> {
        self.send(self.template.convert_and_send(route, body)).await
    }

    /// Puts a message with options into the batch: a call of [`RabbitTemplate::convert_and_send`]
    /// that is not awaited itself. Its `retry` and `unconfirmed` are not heeded.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// # let batching = rabbit.batching(springhare::BatchingStrategy::of(2));
    /// let reading = rabbit.convert_and_send("readings", &21).persistent(false);
    /// batching.send(reading).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`convert_and_send`](Self::convert_and_send).
    ///
    /// # Cancel safety
    ///
    /// As [`convert_and_send`](Self::convert_and_send).
    pub async fn send(&self, message: ConvertAndSend<'_>) -> Result<()> {
        // Processors see the batch, as in Spring.
        let publish = message.into_draft().into_result()?;
        self.put(publish).await
    }

    /// Sends what is in the batch now, full or not. It does not wait: the messages' own calls do.
    pub fn flush(&self) {
        self.shared.filling.release();
    }

    async fn put(&self, mut publish: Publish) -> Result<()> {
        let Shared { strategy, filling, room } = &*self.shared;
        let mut permit = None;
        let told = loop {
            match filling.put(publish, permit, strategy) {
                Put::Joined(told) => break told,
                Put::Begun(told, batch) => {
                    let (template, shared) = (self.template.clone(), Arc::downgrade(&self.shared));
                    tokio::spawn(async move { batch.run(&template, shared).await });
                    break told;
                }
                Put::Back(back) => publish = *back,
            }
            // It is never closed.
            permit = Some(Arc::clone(room).acquire_owned().await.map_err(|_| Error::Stopped)?);
        };
        match told.await {
            Ok(sent) => sent.map_err(|error| Error::of_shared(&error)),
            // Whoever saw it off is gone with its runtime.
            Err(_) => Err(Error::Stopped),
        }
    }
}
