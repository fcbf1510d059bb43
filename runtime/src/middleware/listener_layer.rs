use std::sync::Arc;

use crate::listener::context::DeliveryContext;
use crate::listener::endpoint::Invocation;
use crate::listener::outgoing;

/// Goes round handlers: [`SpringhareBuilder::layer`](crate::SpringhareBuilder::layer) for all
/// listeners, [`layer_of`](crate::SpringhareBuilder::layer_of) for one.
///
/// The first that was given is outermost. A layer sees one call of the handler: `retry(..)` calls all
/// of them again, `timeout` bounds them together. Round a listener of batches goes a
/// [`BatchLayer`](super::BatchLayer).
///
/// ```
/// use springhare::middleware::Next;
/// use springhare::{DeliveryContext, Invocation, Outcome, Springhare};
///
/// /// Says what was handled.
/// fn logged<'d>(cx: &'d DeliveryContext, next: Next<'d>) -> Invocation<'d> {
///     Box::pin(async move {
///         let outcome = next.run(cx).await;
///         println!("{} of {}: {outcome:?}", cx.routing_key(), cx.listener_id());
///         outcome
///     })
/// }
///
/// let builder = Springhare::builder().layer(logged);
/// # drop(builder);
/// ```
pub trait ListenerLayer: Send + Sync + 'static {
    /// Handles a delivery, by `next` or without it.
    fn call<'d>(&'d self, cx: &'d DeliveryContext, next: Next<'d>) -> Invocation<'d>;
}

impl<F> ListenerLayer for F
where
    F: for<'d> Fn(&'d DeliveryContext, Next<'d>) -> Invocation<'d> + Send + Sync + 'static,
{
    fn call<'d>(&'d self, cx: &'d DeliveryContext, next: Next<'d>) -> Invocation<'d> {
        self(cx, next)
    }
}

/// What a [`ListenerLayer`] goes round: the next layer, or the handler.
#[derive(Clone, Copy)]
pub struct Next<'d> {
    layers: &'d [Arc<dyn ListenerLayer>],
    handler: for<'c> fn(&'c DeliveryContext) -> Invocation<'c>,
}

impl<'d> Next<'d> {
    pub(crate) fn new(
        layers: &'d [Arc<dyn ListenerLayer>],
        handler: for<'c> fn(&'c DeliveryContext) -> Invocation<'c>,
    ) -> Self {
        Self { layers, handler }
    }

    /// Handles the delivery. What a call that fails, or that is dropped midway, has put into its
    /// [`Outbox`](crate::Outbox) does not go out, whatever the layer makes of that; nor does what an
    /// earlier call has put there.
    #[must_use = "a handler does nothing before it is polled"]
    pub fn run(self, cx: &'d DeliveryContext) -> Invocation<'d> {
        match self.layers.split_first() {
            Some((layer, layers)) => layer.call(cx, Self { layers, ..self }),
            None => self.handle(cx),
        }
    }

    fn handle(self, cx: &'d DeliveryContext) -> Invocation<'d> {
        outgoing::discard(cx);
        let unless_done = DiscardOnDrop(Some(cx));
        // The arguments are made when this is polled: in the scope, or the span, that a layer has put
        // round it.
        Box::pin(async move {
            let mut unless_done = unless_done;
            let outcome = (self.handler)(cx).await;
            if outgoing::is_for(&outcome) {
                unless_done.0 = None;
            }
            outcome
        })
    }
}

/// Empties the outbox of a call that has not succeeded.
struct DiscardOnDrop<'d>(Option<&'d DeliveryContext>);

impl Drop for DiscardOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(cx) = self.0 {
            outgoing::discard(cx);
        }
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}
