use springhare_amqp::Message;
use springhare_broker::Publish;

use crate::error::Result;
use crate::listener::outcome::ListenerError;

/// Changes messages as they go out and as they come in, for the whole application:
/// [`SpringhareBuilder::processor`](crate::SpringhareBuilder::processor).
///
/// Several are asked in the order in which they were given, on the way out as on the way in. What a
/// failed message leaves behind (a retry, a message in an error queue) is as the broker delivered it,
/// and processed anew when it comes again.
///
/// ```
/// use springhare::amqp::ShortString;
/// use springhare::middleware::{Flow, MessageProcessor};
/// use springhare::{ListenerError, Message, Publish, Springhare};
///
/// /// Says which program sent a message, and passes over what a test sent.
/// struct Origin;
///
/// impl MessageProcessor for Origin {
///     fn before_publish(&self, publish: &mut Publish) -> springhare::Result<()> {
///         let name = ShortString::from_static("x-origin");
///         publish.message.properties.set_header(name, "shop".into());
///         Ok(())
///     }
///
///     fn after_receive(&self, message: &mut Message) -> Result<Flow, ListenerError> {
///         let is_test = message.properties.header("x-test").is_some();
///         Ok(if is_test { Flow::Discard } else { Flow::Continue })
///     }
/// }
///
/// let builder = Springhare::builder().processor(Origin);
/// # drop(builder);
/// ```
pub trait MessageProcessor: Send + Sync + 'static {
    /// Changes a message, or its route, before it is published: by a template, as a reply, out of an
    /// [`Outbox`](crate::Outbox).
    ///
    /// # Errors
    ///
    /// Whatever keeps the message from being sent: it is the error of the call.
    fn before_publish(&self, _publish: &mut Publish) -> Result<()> {
        Ok(())
    }

    /// Changes a message before its listener's handler gets it, alone or in a batch, before
    /// [`receive`](crate::RabbitTemplate::receive) and its kin return it, and a reply before its call does.
    /// What the broker delivered to a listener stays as it is,
    /// [`DeliveryContext::delivery`](crate::DeliveryContext::delivery) shows it.
    ///
    /// # Errors
    ///
    /// Why the message can't be handled, which is [fatal](crate::Disposition::Fatal) unless the error
    /// says otherwise. A panic is a failure like a handler's: the message is delivered again.
    ///
    /// Of `receive` and its kin it is the call's error ([`Error::Other`](crate::Error::Other)). The message is
    /// parked in `<queue>.error`, as one that does not convert, unless the error has another
    /// [disposition](crate::Disposition): then it is rejected, acknowledged, or back in its queue. It is
    /// back, too, before a panic goes on to the caller. Of a reply it is
    /// [`CallError::ReplyRefused`](crate::CallError::ReplyRefused).
    fn after_receive(&self, _message: &mut Message) -> Result<Flow, ListenerError> {
        Ok(Flow::Continue)
    }
}

/// Whether a message goes on to who is to have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// It does.
    Continue,
    /// It is acknowledged, whatever the listener's `ack` says, and nobody gets it: who receives gets the
    /// next one. A call whose reply it is ends with
    /// [`CallError::ReplyDiscarded`](crate::CallError::ReplyDiscarded).
    Discard,
}
