use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;

use springhare_broker::Publish;

use super::layered::LayeredBatch;
use super::{ConvertAndSend, IntoRoute, RabbitTemplate};
use crate::connection::{Confirmation, PublishBatch, PublishError, PublishResult};
use crate::convert::IntoBody;
use crate::error::{Error, Result};

/// How many messages are on their way at a time, without their confirms.
const WINDOW: usize = 1000;
/// With as many left, the next are taken from the iterator.
const WINDOW_LOW: usize = WINDOW / 2;
/// How many are taken at a time.
const TAKEN_MAX: usize = 128;

/// What [`RabbitTemplate::convert_and_send_all`] sends: a call made with
/// [`convert_and_send`](RabbitTemplate::convert_and_send) and its options, or a pair of a route
/// and a body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no message to send",
    note = "give `rabbit.convert_and_send(route, body)` with its options, or a pair \
            `(route, body)`"
)]
pub trait IntoPublish {
    /// The publish that it becomes.
    ///
    /// # Errors
    ///
    /// [`Error`] when the route is too long or the body does not convert.
    fn into_publish(self, template: &RabbitTemplate) -> Result<Publish>;
}

impl IntoPublish for ConvertAndSend<'_> {
    fn into_publish(self, _template: &RabbitTemplate) -> Result<Publish> {
        self.into_result()
    }
}

impl<R: IntoRoute, B: IntoBody> IntoPublish for (R, B) {
    fn into_publish(self, template: &RabbitTemplate) -> Result<Publish> {
        let publish = template.publish_of(self.0, self.1)?;
        template.middleware().process(publish)
    }
}

/// A message that is ready to be sent.
struct Prepared(Publish);

impl IntoPublish for Prepared {
    fn into_publish(self, _template: &RabbitTemplate) -> Result<Publish> {
        Ok(self.0)
    }
}

/// One message of several could not be sent.
///
/// Those before it were confirmed. Of those after it the ones that were on their way with it,
/// 999 at most, were sent too, and [`confirmed_after`](Self::confirmed_after) says how many of
/// them the broker took; the rest was never taken from the iterator. A
/// [publish layer](crate::middleware::PublishLayer) that fails one has the same effect, and one that says
/// `Ok` of a message is believed.
#[derive(Debug, thiserror::Error)]
#[error(
    "message {index} was not sent: {error}; the {index} before it and {confirmed_after} after \
     it were"
)]
pub struct SendAllError {
    /// Which message it was, counted from 0.
    pub index: usize,
    /// How many messages after it the broker confirmed.
    pub confirmed_after: usize,
    /// Why it was not sent.
    #[source]
    pub error: Error,
}

impl From<SendAllError> for Error {
    fn from(error: SendAllError) -> Self {
        Self::Other(Box::new(error))
    }
}

impl RabbitTemplate {
    /// Sends messages in order, many at a time: `Ok` means that the broker has them all.
    ///
    /// Each is what [`convert_and_send`](Self::convert_and_send) returns, or a pair of a route
    /// and a body. Every message is confirmed, whatever its own call says.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// rabbit.convert_and_send_all((0..1000).map(|n| ("numbers", n.to_string()))).await?;
    ///
    /// let lines = ["disk on fire", "disk is gone"];
    /// rabbit
    ///     .convert_and_send_all(
    ///         lines.map(|line| rabbit.convert_and_send(("logs", "kern.error"), line).priority(9)),
    ///     )
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendAllError`] for the first message that was not sent: it says which, why, and what
    /// became of the others.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, any number of the messages may have been sent.
    pub async fn convert_and_send_all<I>(&self, messages: I) -> Result<(), SendAllError>
    where
        I: IntoIterator,
        I::Item: IntoPublish,
    {
        let mut batch = PublishBatch::default();
        let mut layered = self.middleware().has_layers().then(|| Box::new(LayeredBatch::new(self)));
        let mut confirmed = 0;
        let mut messages = messages.into_iter();
        loop {
            let mut refused = None;
            let open = layered.as_ref().map_or(batch.waiting.len(), |layered| layered.open());
            let room = WINDOW.saturating_sub(open);
            for message in messages.by_ref().take(room.min(TAKEN_MAX)) {
                match message.into_publish(self) {
                    Ok(publish) => batch.publishes.push_back(publish),
                    Err(error) => {
                        refused = Some(error);
                        break;
                    }
                }
            }
            let is_last = batch.publishes.is_empty() || refused.is_some();
            batch.open_max = if is_last { 0 } else { WINDOW_LOW };
            match &mut layered {
                None => self.publish_batch(&mut batch, confirmed).await?,
                Some(layered) => layered.publish_batch(&mut batch, confirmed).await?,
            }
            confirmed += batch.results.drain(..).len();
            match refused {
                Some(error) => {
                    return Err(SendAllError { index: confirmed, confirmed_after: 0, error });
                }
                None if is_last => return Ok(()),
                None => {}
            }
        }
    }

    /// Sends messages that are ready, all of them confirmed.
    pub(crate) async fn send_prepared(&self, publishes: Vec<Publish>) -> Result<(), SendAllError> {
        self.convert_and_send_all(publishes.into_iter().map(Prepared)).await
    }

    /// Sends messages in order, and says of each what became of it: none is held back by another that fails.
    pub(crate) async fn send_each<I>(&self, messages: I) -> Vec<Result<()>>
    where
        I: IntoIterator,
        I::Item: IntoPublish,
    {
        let mut publishes = VecDeque::new();
        let mut results = Vec::new();
        for message in messages {
            results.push(message.into_publish(self).map(|publish| publishes.push_back(publish)));
        }
        let mut sent = self.publish_each(publishes).await.into_iter();
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = sent.next().unwrap_or(Err(Error::Stopped));
        }
        results
    }

    /// A result for each, in order.
    async fn publish_each(&self, publishes: VecDeque<Publish>) -> Vec<Result<()>> {
        if self.middleware().has_layers() {
            return LayeredBatch::new(self).publish_each(publishes).await;
        }
        let publishing = &self.shared.publishing;
        let mut batch = PublishBatch { publishes, ..PublishBatch::default() };
        let path = match publishing.usable().await {
            Ok(path) => path,
            Err(error) => {
                self.tell_unsent(&batch);
                let error = Arc::new(error);
                return batch.publishes.iter().map(|_| Err(Error::of_shared(&error))).collect();
            }
        };
        poll_fn(|cx| path.publisher.poll_publish_many(cx, &mut batch)).await;
        if batch.results.iter().any(is_lost) {
            publishing.lost(&path);
        }
        let results = batch.results.into_iter().map(|result| result.map_err(Error::from));
        results.inspect(|result| publishing.tell(result, Confirmation::Awaited)).collect()
    }

    /// Carries `batch` on; afterwards all the results that it has are `Ok`.
    async fn publish_batch(
        &self,
        batch: &mut PublishBatch,
        confirmed: usize,
    ) -> Result<(), SendAllError> {
        if batch.publishes.is_empty() && batch.waiting.is_empty() {
            return Ok(());
        }
        let publishing = &self.shared.publishing;
        let path = match publishing.usable().await {
            Ok(path) => path,
            Err(error) => {
                self.tell_unsent(batch);
                return Err(SendAllError { index: confirmed, confirmed_after: 0, error });
            }
        };
        poll_fn(|cx| path.publisher.poll_publish_many(cx, batch)).await;
        if batch.results.iter().all(PublishResult::is_ok) {
            batch.results.iter().for_each(|_| publishing.tell(&Ok(()), Confirmation::Awaited));
            return Ok(());
        }
        // What is on its way with the one that failed is not left unknown.
        batch.open_max = 0;
        poll_fn(|cx| path.publisher.poll_publish_many(cx, batch)).await;
        for result in &batch.results {
            publishing.tell(&result.clone().map_err(Error::from), Confirmation::Awaited);
        }
        if batch.results.iter().any(is_lost) {
            publishing.lost(&path);
        }
        let failed = batch.results.iter().position(PublishResult::is_err).unwrap_or_default();
        let after = batch.results.iter().skip(failed).filter(|result| result.is_ok()).count();
        let error = match batch.results.swap_remove_back(failed) {
            Some(Err(error)) => Error::from(error),
            _ => Error::Stopped,
        };
        self.tell_unsent(batch);
        Err(SendAllError { index: confirmed + failed, confirmed_after: after, error })
    }

    /// Tells that those that were taken and not sent are not going to be.
    fn tell_unsent(&self, batch: &PublishBatch) {
        let unsent = batch.publishes.len() + batch.waiting.len();
        let given_up = Err(Error::Stopped);
        (0..unsent).for_each(|_| self.shared.publishing.tell(&given_up, Confirmation::Awaited));
    }
}

/// Whether the connection was lost over it.
pub(super) fn is_lost(result: &PublishResult) -> bool {
    matches!(result, Err(PublishError::NotSent(_) | PublishError::Unknown(_)))
}
