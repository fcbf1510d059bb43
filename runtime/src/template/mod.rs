//! The template: sends messages, asks for replies, and receives one at a time.
//!
//! Sending goes over a connection of its own, and receiving over another; `.await` on a publish means that the broker has the
//! message, on a request that the reply is there. Deliberately out: consuming (that is what listeners are for) and declaring.

mod answer;
mod batching;
mod call;
mod deaths;
mod draft;
mod layered;
mod observer;
mod options;
mod parking;
mod publishing;
mod receive;
mod receive_and_reply;
mod route;
mod send;
mod send_all;
mod shared_attempts;
mod siblings;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::de::DeserializeOwned;
use springhare_amqp::{Message, ShortString};
use springhare_broker::Publish;
use tokio::sync::Mutex;

pub(crate) use answer::{Address, Answered};
pub use batching::{BatchingRabbitTemplate, BatchingStrategy};
pub(crate) use call::names::{DIRECT_REPLY_TO, ERROR_HEADER, ERRORS_HEADER, EXCEPTION_HEADER};
pub use call::{Calling, ConvertSendAndReceive, REPLY_TIMEOUT};
pub(crate) use deaths::DeathEntry;
pub(crate) use observer::{Fate, TemplateObserver};
#[cfg(test)]
pub(crate) use parking::copy_for_test;
pub(crate) use parking::{
    ERROR_SUFFIX, ParkReason, ParkedFrom, RETRY_EXCHANGE, RETRY_EXCHANGE_KIND, Republished,
    Retried, error_queue_of, restored, retry_exchange_options, wait_queue_of, wait_queue_options,
    was_rejected_from,
};
pub use receive::{Receive, ReceiveAndConvert};
pub use receive_and_reply::ReceiveAndReply;
pub use route::{IntoRoute, Route};
pub use send::{ConvertAndSend, Sending};
pub use send_all::{IntoPublish, SendAllError};

use crate::channel::{Channel, Purpose};
use crate::connection::{LinkChannel, LinkError};
use crate::convert::{IntoBody, MessageConverters};
use crate::error::Result;
use crate::middleware::TemplateMiddleware;
use call::Calls;
use publishing::Publishing;
pub(crate) use publishing::TemplateLinks;
use siblings::Siblings;

/// Sends messages, asks for replies, and receives messages one at a time. A clone is the same template.
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
    publishing: Arc<Publishing>,
    calls: Calls,
    converters: MessageConverters,
    middleware: TemplateMiddleware,
    defaults: TemplateDefaults,
    /// Those of the application's brokers.
    siblings: OnceLock<Siblings>,
    /// The channel that single messages are received on; one at a time uses it.
    receiving: Mutex<Option<Arc<dyn LinkChannel>>>,
}

/// What holds for calls that do not say it themselves.
#[derive(Debug, Clone)]
pub(crate) struct TemplateDefaults {
    /// A message whose fate is not known is sent again so long.
    pub(crate) publish_retry: Option<Duration>,
    /// A reply is waited for so long.
    pub(crate) reply_timeout: Duration,
    /// A message is waited for so long.
    pub(crate) receive_timeout: Duration,
    /// The exchange of a route that is a key alone.
    pub(crate) exchange: ShortString,
    /// The key of a route that has none.
    pub(crate) routing_key: ShortString,
    /// Whether a message must reach a queue, whatever its exchange.
    pub(crate) mandatory: bool,
}

impl Default for TemplateDefaults {
    fn default() -> Self {
        Self {
            publish_retry: None,
            reply_timeout: REPLY_TIMEOUT,
            receive_timeout: Duration::ZERO,
            exchange: ShortString::EMPTY,
            routing_key: ShortString::EMPTY,
            mandatory: false,
        }
    }
}

impl RabbitTemplate {
    pub(crate) fn new(
        links: TemplateLinks,
        converters: MessageConverters,
        middleware: TemplateMiddleware,
        defaults: TemplateDefaults,
    ) -> Self {
        let publishing = Arc::new(Publishing::new(links));
        Self {
            shared: Arc::new(Shared {
                calls: Calls::new(Arc::clone(&publishing)),
                publishing,
                converters,
                middleware,
                defaults,
                siblings: OnceLock::new(),
                receiving: Mutex::new(None),
            }),
        }
    }

    /// Sends a body along a route.
    ///
    /// The route is a queue's name, or an exchange and a key; with a
    /// [default exchange](crate::SpringhareBuilder::template_exchange) a text alone is a key of that. The body is a reference to any
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

    /// Sends a request along a route, and waits for the reply.
    ///
    /// Route and body are those of [`convert_and_send`](Self::convert_and_send), and the reply's
    /// body becomes a `T`. A listener replies with what it returns; any AMQP client may, by sending
    /// to the request's `reply_to` with its correlation id. Many calls may wait at a time. A reply
    /// that comes when its call is over is [counted](Self::late_replies) and dropped.
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(2);
    /// let total: u64 =
    ///     rabbit.convert_send_and_receive("totals", &vec![1, 2, 3]).timeout(limit).await?;
    /// # drop(total);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it gives a [`CallError`](crate::CallError): no reply in time, no such exchange, no
    /// queue, a handler that failed, a reply that is no `T`, a connection that was lost, and so on.
    pub fn convert_send_and_receive<T: DeserializeOwned>(
        &self,
        route: impl IntoRoute,
        body: impl IntoBody,
    ) -> ConvertSendAndReceive<'_, T> {
        ConvertSendAndReceive::converting(self, route, body)
    }

    /// Sends a request as it is and waits for the reply, as it is:
    /// [`convert_send_and_receive`](Self::convert_send_and_receive) without a conversion.
    ///
    /// The request's correlation id and `reply_to` are the template's, whatever the message has; an id of
    /// one's own is [`correlation_id`](ConvertSendAndReceive::correlation_id).
    ///
    /// ```
    /// # async fn example(rabbit: springhare::RabbitTemplate) -> springhare::Result<()> {
    /// use springhare::Message;
    ///
    /// let reply = rabbit.send_and_receive("totals", Message::new("[1,2,3]")).await?;
    /// println!("{:?}", reply.body);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`convert_send_and_receive`](Self::convert_send_and_receive).
    pub fn send_and_receive(
        &self,
        route: impl IntoRoute,
        message: Message,
    ) -> ConvertSendAndReceive<'_, Message> {
        ConvertSendAndReceive::whole(self, route, message)
    }

    /// How many replies came that no call waited for: their calls had timed out or were given up,
    /// or they answer nothing.
    #[must_use]
    pub fn late_replies(&self) -> u64 {
        self.shared.calls.late_replies()
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

    /// The application stops, and consumes from these queues no more.
    pub(crate) fn leave<'q>(&self, queues: impl Iterator<Item = &'q ShortString>) {
        self.shared.calls.leave(queues);
    }

    /// Ends the calls that wait, and closes the connection for good.
    pub(crate) async fn stop(&self) -> Result<(), LinkError> {
        self.shared.calls.stop();
        self.shared.publishing.stop().await
    }

    fn middleware(&self) -> &TemplateMiddleware {
        &self.shared.middleware
    }

    /// Whether nothing is sent any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.publishing.is_stopped()
    }

    pub(crate) fn converters(&self) -> &MessageConverters {
        &self.shared.converters
    }

    /// The publish of a body along a route; what goes to the default exchange must arrive.
    fn publish_of(&self, route: impl IntoRoute, body: impl IntoBody) -> Result<Publish> {
        let route = route.into_route()?;
        let message = body.into_body(&self.shared.converters)?;
        let defaults = &self.shared.defaults;
        let (exchange, routing_key) = route.or(&defaults.exchange, &defaults.routing_key);
        let mandatory = defaults.mandatory || exchange.is_empty();
        Ok(Publish { exchange, routing_key, mandatory, message })
    }
}
