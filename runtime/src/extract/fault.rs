//! A message that was given up, and what is known of its failure.

use std::convert::Infallible;

use springhare_amqp::{FieldValue, Message, ShortString};

use super::FromDelivery;
use crate::error::Result;
use crate::listener::context::DeliveryContext;
use crate::listener::outcome::ListenerResult;
use crate::state::Requirements;
use crate::template::{ERROR_SUFFIX, RabbitTemplate, restored};

/// A message that a listener has given up, as it lies in `<queue>.error`, for a listener with
/// `fault_of = ".."`.
///
/// `E` is what its body is taken by; that may fail, as it has failed for the first listener.
///
/// ```
/// use springhare::prelude::*;
///
/// #[rabbit_listener(fault_of = "orders")]
/// async fn on_fault(fault: Fault<Text>, rabbit: RabbitTemplate) -> ListenerResult {
///     println!("{}: {} after {} attempts", fault.queue(), fault.exception(), fault.attempts());
///     match &fault.payload {
///         Ok(order) if order.0.starts_with("tea") => fault.send_back(&rabbit).await?,
///         _ => {}
///     }
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Fault<E> {
    /// What `E` makes of it, or why it can't.
    pub payload: ListenerResult<E>,
    message: Message,
    queue: ShortString,
}

impl<E> Fault<E> {
    /// Why it was given up, in a word: `fatal`, `deliveries-exhausted`, `no-room-to-count`,
    /// `unmatched`; empty if it does not say.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.text("x-springhare-reason")
    }

    /// What its last failure said.
    #[must_use]
    pub fn exception(&self) -> &str {
        self.text("x-exception-message")
    }

    /// How many of its deliveries failed.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        let attempts = self.header("x-springhare-attempts").and_then(FieldValue::as_i64);
        attempts.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or_default()
    }

    /// The exchange that it was published to; empty for the default exchange.
    #[must_use]
    pub fn exchange(&self) -> &str {
        self.text("x-original-exchange")
    }

    /// The routing key that it was published with.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        self.text("x-original-routingKey")
    }

    /// The queue that it was given up in.
    #[must_use]
    pub fn queue(&self) -> &str {
        match self.text("x-original-queue") {
            "" => self.queue.strip_suffix(ERROR_SUFFIX).unwrap_or(&self.queue),
            queue => queue,
        }
    }

    /// The message as it lies in the error queue.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Publishes it to its queue once more, as it was before it failed; `Ok` once that is
    /// confirmed. It counts as new, and its handler sees the exchange and the key that it was
    /// published with.
    ///
    /// It goes to its queue alone: others that its exchange leads to have had it.
    ///
    /// # Errors
    ///
    /// As [`convert_and_send`](RabbitTemplate::convert_and_send). The message is still in the
    /// error queue then, if the handler fails with the error.
    pub async fn send_back(&self, rabbit: &RabbitTemplate) -> Result<()> {
        let queue = ShortString::truncated(self.queue());
        let message = restored(&self.message, &queue);
        rabbit.convert_and_send(queue, message).await
    }

    fn header(&self, name: &str) -> Option<&FieldValue> {
        self.message.properties.header(name)
    }

    fn text(&self, name: &str) -> &str {
        self.header(name).and_then(FieldValue::as_str).unwrap_or_default()
    }
}

impl<'d, E: FromDelivery<'d>> FromDelivery<'d> for Fault<E> {
    type Rejection = Infallible;

    fn from_delivery(cx: &'d DeliveryContext) -> std::result::Result<Self, Infallible> {
        Ok(Self {
            payload: E::from_delivery(cx).map_err(Into::into),
            message: cx.delivery().message.message.clone(),
            queue: cx.queue().clone(),
        })
    }

    fn require(requirements: &mut Requirements) {
        E::require(requirements);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Json;

    #[test]
    fn a_fault_says_what_is_known_and_has_the_body_if_it_can_be_read() {
        let cx = DeliveryContext::for_test()
            .header("x-springhare-reason", "fatal")
            .header("x-exception-message", "no van")
            .header("x-springhare-attempts", 3)
            .header("x-original-exchange", "shop")
            .header("x-original-routingKey", "order.new")
            .header("x-original-queue", "orders");
        let cx = cx.body("5").build();
        let fault = Fault::<Json<u32>>::from_delivery(&cx).unwrap();
        assert_eq!(fault.payload.as_ref().unwrap().0, 5);
        assert_eq!((fault.reason(), fault.exception(), fault.attempts()), ("fatal", "no van", 3));
        let route = (fault.exchange(), fault.routing_key(), fault.queue());
        assert_eq!(route, ("shop", "order.new", "orders"));
        let cx = DeliveryContext::for_test().body("{").build();
        let fault = Fault::<Json<u32>>::from_delivery(&cx).unwrap();
        assert!(fault.payload.is_err());
        assert_eq!((fault.reason(), fault.attempts(), fault.queue()), ("", 0, "test"));
    }
}
