//! Delayed copies: a failed message waits at the broker, and comes back to its queue as a retry
//! copy.
//!
//! On our broker it waits in an exchange, [`RETRY_EXCHANGE`], which keeps a message for as long as
//! its header says. RabbitMQ has none without a plugin: there it waits in a queue of its own for
//! each delay, whose messages expire and are dead-lettered to where they came from.

use std::sync::PoisonError;
use std::time::Duration;

use springhare_amqp::{FieldTable, FieldValue, ReplyCode, ShortString};
use springhare_broker::{ExchangeDeclareOptions, Publish, PublishedMessage, QueueDeclareOptions};

use super::retry::{Republished, Wait, retry_copy};
use super::{RabbitTemplate, is_too_large, set};
use crate::connection::{Confirmation, LinkChannel, LinkError, Product};
use crate::error::{Error, Result};
use crate::template::publishing::PublishingPath;

/// The exchange that messages wait in on our broker, durable. It knows each queue by its name.
pub(crate) const RETRY_EXCHANGE: ShortString = ShortString::from_static("springhare.retry");
pub(crate) const RETRY_EXCHANGE_KIND: &str = "x-delayed-message";
/// Of so many queues it is known that what waits comes back to them; beyond that, they are bound
/// again.
const LED_BACK_MAX: usize = 1024;
/// What stands between a queue's name and a delay in the name of a queue to wait in.
const WAIT_INFIX: &str = ".retry.";
/// The longest word for a delay.
const WORD_MAX_BYTES: usize = 24;
/// How long a message waits in an exchange, in milliseconds; negative once it has.
pub(super) const X_DELAY: &str = "x-delay";

/// The queue that messages from `queue` wait in for this long, where the broker keeps none back
/// itself: `orders.retry.5s`.
pub(crate) fn wait_queue_of(queue: &str, delay: Duration) -> ShortString {
    ShortString::truncated(&format!("{}{}", wait_queue_prefix(queue), word(delay)))
}

/// What it is declared as. The delay is in its name, so that another one is another queue.
pub(crate) fn wait_queue_options(queue: &ShortString, delay: Duration) -> QueueDeclareOptions {
    let mut arguments = FieldTable::new();
    set(&mut arguments, "x-message-ttl", millis(delay));
    set(&mut arguments, "x-dead-letter-exchange", "");
    set(&mut arguments, "x-dead-letter-routing-key", queue.clone());
    QueueDeclareOptions { durable: true, arguments, ..Default::default() }
}

/// What the exchange is declared as.
pub(crate) fn retry_exchange_options() -> ExchangeDeclareOptions {
    let mut arguments = FieldTable::new();
    set(&mut arguments, "x-delayed-type", "direct");
    ExchangeDeclareOptions { durable: true, arguments, ..Default::default() }
}

/// What the names of all queues start with that messages from `queue` wait in.
pub(super) fn wait_queue_prefix(queue: &str) -> String {
    let room = ShortString::MAX_BYTES - WAIT_INFIX.len() - WORD_MAX_BYTES;
    format!("{}{WAIT_INFIX}", super::cut(queue, room))
}

/// A delay in its largest unit: `5s`, `90s`, `2m`, `1500ms`.
fn word(delay: Duration) -> String {
    let millis = delay.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let fitting = units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    let (unit, name) = fitting.unwrap_or((1, "ms"));
    format!("{}{name}", millis / unit)
}

fn millis(delay: Duration) -> i64 {
    i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)
}

impl RabbitTemplate {
    /// Lets a copy of `original`, `failures` of whose deliveries have failed, come to its queue
    /// after this time; `Ok` once the broker confirmed it.
    ///
    /// The copy does not wait at the broker's memory mark, as a parked one.
    pub(crate) async fn delay(
        &self,
        queue: &ShortString,
        original: &PublishedMessage,
        failures: u32,
        delay: Duration,
    ) -> Result<Republished> {
        let publishing = &self.shared.publishing;
        let path = publishing.usable().await?;
        let product = path.product();
        let publish = self.delayed(product, queue, original, failures, delay)?;
        if product == Product::Springhare {
            path.lead_back_to(queue).await?;
        }
        let mut sent = publishing.publish_replacement(publish.clone(), Confirmation::Awaited).await;
        if let Err(Error::NoExchange(_)) = &sent {
            // Somebody has deleted the exchange to wait in, and all its bindings.
            let path = publishing.usable().await?;
            path.forget_ways_back();
            path.lead_back_to(queue).await?;
            sent = publishing.publish_replacement(publish, Confirmation::Awaited).await;
        } else if let Err(Error::Unroutable(_)) = &sent {
            // Somebody has deleted the queue to wait in.
            let (name, options) = (wait_queue_of(queue, delay), wait_queue_options(queue, delay));
            self.execute(|channel| async move {
                channel.queue_declare(&name, options).await?;
                Ok(())
            })
            .await?;
            sent = publishing.publish_replacement(publish, Confirmation::Awaited).await;
        }
        if is_too_large(&sent) {
            return Ok(Republished::NoRoom);
        }
        sent.map(|()| Republished::Confirmed)
    }

    /// The copy, and where it waits. A time to live of its own would end the wait early.
    fn delayed(
        &self,
        product: Product,
        queue: &ShortString,
        original: &PublishedMessage,
        failures: u32,
        delay: Duration,
    ) -> Result<Publish> {
        let waits_in_exchange = product == Product::Springhare;
        let wait = if waits_in_exchange { Wait::Nowhere } else { Wait::InQueue };
        let mut copy = retry_copy(original, queue, failures, wait);
        let expiration = copy.properties.expiration.take();
        let headers = copy.properties.headers.get_or_insert_default();
        if let Some(expiration) = expiration {
            set(headers, "x-original-expiration", expiration);
        }
        if waits_in_exchange {
            set(headers, X_DELAY, millis(delay));
            let mut publish = self.publish_of((&RETRY_EXCHANGE, queue), copy)?;
            publish.mandatory = false;
            return Ok(publish);
        }
        self.publish_of(wait_queue_of(queue, delay), copy)
    }
}

impl PublishingPath {
    /// Has what waits in the exchange come back to this queue: what finds no way there when its
    /// time is up would be lost, and nobody told.
    async fn lead_back_to(&self, queue: &ShortString) -> Result<()> {
        if self.leads_back.lock().unwrap_or_else(PoisonError::into_inner).contains(queue) {
            return Ok(());
        }
        let channel = self.open_channel().await?;
        let bound = bind(&*channel, queue).await;
        if channel.close_reason().is_none()
            && let Err(error) = channel.close().await
        {
            tracing::debug!(%error, "a channel could not be closed");
        }
        match bound {
            // It is the listeners' connection's own, where it was bound when it was declared.
            Err(LinkError::Amqp(error)) if error.code() == ReplyCode::ResourceLocked => {}
            bound => bound?,
        }
        let mut leads_back = self.leads_back.lock().unwrap_or_else(PoisonError::into_inner);
        if leads_back.len() >= LED_BACK_MAX {
            leads_back.clear();
        }
        leads_back.insert(queue.clone());
        Ok(())
    }

    fn forget_ways_back(&self) {
        self.leads_back.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

async fn bind(channel: &dyn LinkChannel, queue: &str) -> Result<(), LinkError> {
    let (kind, options) = (RETRY_EXCHANGE_KIND, retry_exchange_options());
    channel.exchange_declare(&RETRY_EXCHANGE, kind, options).await?;
    channel.queue_bind(queue, &RETRY_EXCHANGE, queue, FieldTable::new()).await
}

/// Whether this entry of an `x-death` says that the message has waited for `queue`.
pub(super) fn is_wait(death: &FieldValue, queue: &str) -> bool {
    let FieldValue::Table(death) = death else { return false };
    let text = |name| death.get(name).and_then(FieldValue::as_str);
    text("reason") == Some("expired")
        && text("queue").is_some_and(|name| name.starts_with(&wait_queue_prefix(queue)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_to_wait_in_has_the_queues_name_and_the_delay() {
        for (millis, name) in [
            (1, "orders.retry.1ms"),
            (1500, "orders.retry.1500ms"),
            (5000, "orders.retry.5s"),
            (90_000, "orders.retry.90s"),
            (120_000, "orders.retry.2m"),
            (3_600_000, "orders.retry.1h"),
            (86_400_000, "orders.retry.1d"),
        ] {
            assert_eq!(wait_queue_of("orders", Duration::from_millis(millis)), name);
        }
        let long = wait_queue_of(&"q".repeat(255), Duration::from_secs(5));
        assert!(long.ends_with("q.retry.5s"), "{long}");
    }
}
