use std::sync::Arc;

use serde::de::DeserializeOwned;
use springhare_amqp::{Message, ShortString};
use springhare_broker::{Delivery, Multiple, NoAck};
use tokio::sync::MutexGuard;

use super::{ParkReason, ParkedFrom, RabbitTemplate, Retried, error_queue_of};
use crate::connection::LinkChannel;
use crate::error::{Error, Result};

/// A message on the template's channel, which nobody else uses before it is settled: another
/// caller's fault would close the channel under it.
struct Got<'t> {
    delivery: Delivery,
    channel: Arc<dyn LinkChannel>,
    _one_at_a_time: MutexGuard<'t, Option<Arc<dyn LinkChannel>>>,
}

impl Got<'_> {
    async fn ack(&self) -> Result<()> {
        Ok(self.channel.basic_ack(self.delivery.delivery_tag, Multiple::One).await?)
    }
}

impl RabbitTemplate {
    /// Takes one message from `queue`, if there is one (`basic.get`).
    ///
    /// # Errors
    ///
    /// [`Error::Amqp`] when there is no such queue, [`Error::Link`] when the connection fails.
    ///
    /// # Cancel safety
    ///
    /// A message that was taken and not returned comes back when the template's channel closes.
    pub async fn receive(&self, queue: &str) -> Result<Option<Message>> {
        let Some(got) = self.get(queue).await? else { return Ok(None) };
        got.ack().await?;
        Ok(Some(got.delivery.message.message.clone()))
    }

    /// Takes one message from `queue`, if there is one, and converts its body.
    ///
    /// It is acknowledged once it is converted. One that does not convert is parked in
    /// `<queue>.error` with the reason, so that the next call gets the next.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// if let Some(number) = rabbit.receive_and_convert::<u64>("numbers").await? {
    ///     println!("{number}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Conversion`] when the body is not a `T`, and as [`receive`](Self::receive).
    ///
    /// # Cancel safety
    ///
    /// As [`receive`](Self::receive).
    pub async fn receive_and_convert<T: DeserializeOwned>(&self, queue: &str) -> Result<Option<T>> {
        let Some(got) = self.get(queue).await? else { return Ok(None) };
        let delivery = &got.delivery;
        let message = &delivery.message.message;
        let converted = self.converters().read(message);
        if let Err(error) = &converted {
            let reason = ParkReason::Fatal { exception: error.to_string() };
            let before = Retried::of(&delivery.message).map_or(0, |retried| retried.failures);
            let attempts = before.saturating_add(delivery.delivery_count).saturating_add(1);
            let name = ShortString::truncated(queue);
            let from = ParkedFrom { queue: &name, attempts };
            self.park(&error_queue_of(queue), &delivery.message, &reason, from).await?;
        }
        got.ack().await?;
        converted.map(Some).map_err(Error::from)
    }

    /// Gets a message, and holds the channel that it came on. Nothing that receives may be
    /// awaited before it is dropped.
    async fn get(&self, queue: &str) -> Result<Option<Got<'_>>> {
        let mut receiving = self.shared.receiving.lock().await;
        let channel = match receiving.take_if(|channel| channel.close_reason().is_none()) {
            Some(open) => open,
            None => self.shared.publishing.open_channel().await?,
        };
        *receiving = Some(Arc::clone(&channel));
        let got = channel.basic_get(queue, NoAck::No).await?;
        Ok(got.map(|got| Got { delivery: got.delivery, channel, _one_at_a_time: receiving }))
    }
}
