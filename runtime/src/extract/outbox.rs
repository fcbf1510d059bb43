use std::convert::Infallible;

use super::FromDelivery;
use crate::convert::IntoBody;
use crate::error::Result;
use crate::listener::context::DeliveryContext;
use crate::state::Requirements;
use crate::template::{IntoPublish, IntoRoute};

/// Messages that go out only if the handler succeeds: before its reply and before its message is
/// acknowledged, all of them confirmed. What a handler that fails has put here is dropped.
///
/// If they can't be sent the handler has failed. Where that may pass (a connection is lost, a queue is
/// full) its message is delivered again, and those that the broker took, or all of them if the
/// connection is lost before the acknowledgement, are there a second time then: at least once, never
/// lost. Where it does not (a message reaches no queue, there is no such exchange, the broker refuses
/// one) the message is given up at once, and what was sent before is not sent again. The listener has
/// `ack = "auto"`.
///
/// ```
/// use springhare::prelude::*;
///
/// #[rabbit_listener(queue = "orders")]
/// async fn fulfil(Text(order): Text, outbox: Outbox<'_>) -> ListenerResult {
///     outbox.convert_and_send("invoices", &order)?;
///     outbox.convert_and_send(("events", "order.fulfilled"), &order)?;
///     ship(&order).await // an error: neither of them is sent
/// }
/// # async fn ship(_order: &str) -> ListenerResult { Ok(()) }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Outbox<'d> {
    cx: &'d DeliveryContext,
}

impl Outbox<'_> {
    /// Puts a body along a route into the outbox; both are those of
    /// [`RabbitTemplate::convert_and_send`](crate::RabbitTemplate::convert_and_send).
    ///
    /// # Errors
    ///
    /// [`Error::Conversion`](crate::Error::Conversion) when the body does not convert,
    /// [`Error::OutboxFull`](crate::Error::OutboxFull) when there is no room.
    pub fn convert_and_send(self, route: impl IntoRoute, body: impl IntoBody) -> Result<()> {
        self.put((route, body))
    }

    /// Puts a call of [`RabbitTemplate::convert_and_send`](crate::RabbitTemplate::convert_and_send)
    /// with its options into the outbox. It is confirmed, whatever the call says of that.
    ///
    /// ```
    /// # fn example(outbox: springhare::Outbox<'_>, rabbit: &springhare::RabbitTemplate) -> springhare::Result<()> {
    /// outbox.put(rabbit.convert_and_send("invoices", "tea").priority(5))
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`convert_and_send`](Self::convert_and_send).
    pub fn put(self, message: impl IntoPublish) -> Result<()> {
        let publish = message.into_publish(self.cx.template())?;
        self.cx.outgoing().put(publish)
    }
}

impl<'d> FromDelivery<'d> for Outbox<'d> {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> Result<Self, Infallible> {
        Ok(Self { cx })
    }

    fn require(requirements: &mut Requirements) {
        requirements.outbox();
    }
}
