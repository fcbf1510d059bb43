//! The template: sends messages, and receives them one at a time.
//!
//! Sending goes over a connection of its own, and receiving over another; `.await` on a call means that the broker has the
//! message. Deliberately out: consuming (that is what listeners are for) and declaring.

mod parking;
mod publishing;
mod receive;
mod route;
mod send;
mod send_all;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use springhare_amqp::Message;
use springhare_broker::Publish;
use tokio::sync::Mutex;

pub(crate) use parking::{ParkReason, Republished, Retried, error_queue_of};
pub use route::{IntoRoute, Route};
pub use send::{ConvertAndSend, Sending};
pub use send_all::{IntoPublish, SendAllError};

use crate::channel::{Channel, Purpose};
use crate::connection::{LinkChannel, LinkError};
use crate::convert::{IntoBody, MessageConverters};
use crate::error::Result;
use publishing::Publishing;
pub(crate) use publishing::TemplateLinks;

/// Sends messages, and receives them one at a time. A clone is the same template.
///
/// An application has one, [`Springhare::rabbit_template`](crate::Springhare::rabbit_template),
/// and a listener takes it as an argument.
///
/// ```
/// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
/// rabbit.convert_and_send("orders", "tea").await?;
/// rabbit.convert_and_send(("logs", "kern.error"), "disk on fire").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RabbitTemplate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    publishing: Publishing,
    converters: MessageConverters,
    /// How long calls that do not say so themselves are tried again.
    publish_retry: Option<Duration>,
    /// The channel that single messages are received on; one at a time uses it.
    receiving: Mutex<Option<Arc<dyn LinkChannel>>>,
}

impl RabbitTemplate {
    pub(crate) fn new(
        links: TemplateLinks,
        converters: MessageConverters,
        publish_retry: Option<Duration>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                publishing: Publishing::new(links),
                converters,
                publish_retry,
                receiving: Mutex::new(None),
            }),
        }
    }

    /// Sends a body along a route.
    ///
    /// The route is a queue's name, or an exchange and a key. The body is a reference to any
    /// value that `serde` can serialize, or by value `Bytes`, `Vec<u8>`, `String` or
    /// [`Message`]. Nothing is sent before the returned call is awaited; then `Ok` means that
    /// the broker has the message.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// rabbit.convert_and_send("orders", &vec![1, 2, 3]).priority(5).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it gives [`Error::NoExchange`] when the exchange does not exist,
    /// [`Error::Unroutable`] when a message to the default exchange (or a
    /// [mandatory](ConvertAndSend::mandatory) one) reaches no queue, [`Error::Conversion`] when
    /// the body does not convert, and [`Error::NotConfirmed`] when the broker did not take it.
    ///
    /// [`Error::NoExchange`]: crate::Error::NoExchange
    /// [`Error::Unroutable`]: crate::Error::Unroutable
    /// [`Error::Conversion`]: crate::Error::Conversion
    /// [`Error::NotConfirmed`]: crate::Error::NotConfirmed
    pub fn convert_and_send(
        &self,
        route: impl IntoRoute,
        body: impl IntoBody,
    ) -> ConvertAndSend<'_> {
        ConvertAndSend::new(self, route, body)
    }

    /// Sends a message as it is: [`convert_and_send`](Self::convert_and_send) without a
    /// conversion.
    ///
    /// # Errors
    ///
    /// As [`convert_and_send`](Self::convert_and_send).
    pub fn send(&self, route: impl IntoRoute, message: Message) -> ConvertAndSend<'_> {
        self.convert_and_send(route, message)
    }

    /// Runs `operation` on a channel of its own, and closes that afterwards.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// let waiting = rabbit
    ///     .execute(|channel| async move {
    ///         Ok(channel.queue_declare_passive("orders").await?.message_count)
    ///     })
    ///     .await?;
    /// # drop(waiting);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) when no channel can be opened, and whatever `operation` returns.
    pub async fn execute<T, F, O>(&self, operation: O) -> Result<T>
    where
        O: FnOnce(Channel) -> F,
        F: Future<Output = Result<T>>,
    {
        let link = self.shared.publishing.open_channel().await?;
        let result = operation(Channel::new(Arc::clone(&link), Purpose::Raw)).await;
        if link.close_reason().is_none()
            && let Err(error) = link.close().await
        {
            tracing::debug!(%error, "a channel could not be closed");
        }
        result
    }

    /// Opens the connection, so that the first call need not.
    pub(crate) async fn connect(&self) -> Result<()> {
        self.shared.publishing.open().await.map(drop)
    }

    /// Closes the connection for good.
    pub(crate) async fn stop(&self) -> Result<(), LinkError> {
        self.shared.publishing.stop().await
    }

    pub(crate) fn converters(&self) -> &MessageConverters {
        &self.shared.converters
    }

    /// The publish of a body along a route; what goes to the default exchange must arrive.
    fn publish_of(&self, route: impl IntoRoute, body: impl IntoBody) -> Result<Publish> {
        let route = route.into_route()?;
        let message = body.into_body(&self.shared.converters)?;
        let (exchange, routing_key) = route.into_parts();
        let mandatory = exchange.is_empty();
        Ok(Publish { exchange, routing_key, mandatory, message })
    }
}
