use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use springhare_broker::Publish;

use crate::error::Result;

/// The publish of a message, as a [`PublishLayer`] makes it: ready once the message is sent, and confirmed
/// where that is waited for.
pub type LayerFuture<'p> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'p>>;

/// Goes round each message that a template sends:
/// [`SpringhareBuilder::publish_layer`](crate::SpringhareBuilder::publish_layer).
///
/// That is each of [`convert_and_send_all`](crate::RabbitTemplate::convert_and_send_all) and of an
/// [`Outbox`](crate::Outbox), requests and replies, a batch of
/// [`batching`](crate::RabbitTemplate::batching) as one, and lines of the
/// [`AmqpAppender`](crate::AmqpAppender). The copies of what failed (a retry, a message in an error queue)
/// are as the broker delivered them and go past the layers, as past the processors.
///
/// The first that was given is outermost; each sees the message as the
/// [processors](super::MessageProcessor) have left it, and the call's own retry is inside of all. A layer
/// that returns an error, or does without `next`, decides:
///
/// - An error is that of the call, of that one message of several, or
///   [`CallError::Request`](crate::CallError::Request). Of an outbox or a reply it is the listener's failure:
///   the message is delivered again where the error is one that passes, such as a lost connection
///   ([`Error::Stopped`](crate::Error::Stopped) is, too), and given up else.
/// - `Ok` is believed: the message counts as sent. A request that was not sent is over at once all the
///   same, with [`CallError::Withheld`](crate::CallError::Withheld).
///
/// Messages that are sent together are in their layers together, up to 1000; they go out in their order
/// where no layer waits, and else in the order in which they come out of the layers. Of a request a
/// layer hears when it is sent, not of the reply, which the call gets once its layers are through; `reply_to`
/// and a correlation id that the template makes come after the layers.
///
/// ```
/// use springhare::middleware::{LayerFuture, NextPublish};
/// use springhare::{Publish, Springhare};
///
/// /// Says what could not be sent.
/// fn told<'p>(publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
///     Box::pin(async move {
///         let routing_key = publish.routing_key.clone();
///         let sent = next.run(publish).await;
///         if let Err(error) = &sent {
///             println!("{routing_key}: {error}");
///         }
///         sent
///     })
/// }
///
/// let builder = Springhare::builder().publish_layer(told);
/// # drop(builder);
/// ```
pub trait PublishLayer: Send + Sync + 'static {
    /// Publishes a message, by `next` or without it.
    fn call<'p>(&'p self, publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p>;
}

impl<F> PublishLayer for F
where
    F: for<'p> Fn(Publish, NextPublish<'p>) -> LayerFuture<'p> + Send + Sync + 'static,
{
    fn call<'p>(&'p self, publish: Publish, next: NextPublish<'p>) -> LayerFuture<'p> {
        self(publish, next)
    }
}

/// How the innermost layer's message gets to the broker.
type Innermost<'p> = Box<dyn FnOnce(Publish) -> LayerFuture<'p> + Send + 'p>;

/// What a [`PublishLayer`] goes round: the next layer, or the publish itself.
pub struct NextPublish<'p> {
    layers: &'p [Arc<dyn PublishLayer>],
    send: Innermost<'p>,
}

impl<'p> NextPublish<'p> {
    pub(crate) fn new(
        layers: &'p [Arc<dyn PublishLayer>],
        send: impl FnOnce(Publish) -> LayerFuture<'p> + Send + 'p,
    ) -> Self {
        Self { layers, send: Box::new(send) }
    }

    /// Publishes the message.
    #[must_use = "a message is sent when its future is polled"]
    pub fn run(self, publish: Publish) -> LayerFuture<'p> {
        let Self { layers, send } = self;
        match layers.split_first() {
            Some((layer, layers)) => layer.call(publish, Self { layers, send }),
            None => send(publish),
        }
    }
}

impl fmt::Debug for NextPublish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextPublish").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}
