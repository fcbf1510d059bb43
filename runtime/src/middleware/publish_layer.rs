use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use springhare_broker::Publish;

use crate::error::Result;

/// The publish of a message, as a [`PublishLayer`] makes it.
pub type LayerFuture<'p> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'p>>;

/// Goes round what [`send`](crate::RabbitTemplate::send) and
/// [`convert_and_send`](crate::RabbitTemplate::convert_and_send) do:
/// [`SpringhareBuilder::publish_layer`](crate::SpringhareBuilder::publish_layer).
///
/// The first that was given is outermost; each sees the message as the
/// [processors](super::MessageProcessor) have left it, and the call's own retry is inside of all. What
/// is sent many at a time (`convert_and_send_all`, an outbox), requests and replies go past the layers.
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
