use std::sync::Arc;

use crate::listener::context::BatchContext;
use crate::listener::endpoint::{Invocation, InvokeBatch};
use crate::listener::outcome::Outcome;
use crate::listener::outgoing;

/// Goes round handlers of batches:
/// [`SpringhareBuilder::batch_layer`](crate::SpringhareBuilder::batch_layer) for all that have `batch`,
/// [`batch_layer_of`](crate::SpringhareBuilder::batch_layer_of) for one.
///
/// The first that was given is outermost, and `timeout` bounds them together. What it returns is what
/// the whole batch comes to, with or without `next`:
///
/// - A failure is each message's, which is delivered again by itself. A panic is one, too.
/// - A failure with a [`BatchError`](crate::BatchError) parts the batch: the messages before it are
///   acknowledged. A layer that takes back what the handler did for those fails with an error of its own.
/// - [`Outcome::Ack`] acknowledges all, unless the handler has returned an outcome for each. With
///   `ack = "manual"` it settles nothing.
///
/// [`BatchContext::succeeded`] counts the messages that an outcome acknowledges for their success. What
/// a [processor](super::MessageProcessor) keeps from the handler is settled as it says, whatever a layer
/// returns, and a batch of which nothing else is left reaches no layer.
///
/// ```
/// use springhare::middleware::NextBatch;
/// use springhare::{BatchContext, Invocation, Springhare};
///
/// /// Says how many were handled.
/// fn counted<'d>(cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
///     Box::pin(async move {
///         let outcome = next.run(cx).await;
///         let (done, all) = (cx.succeeded(&outcome), cx.accepted());
///         println!("{done} of {all} of {}: {outcome:?}", cx.consumer().listener_id());
///         outcome
///     })
/// }
///
/// let builder = Springhare::builder().batch_layer(counted);
/// # drop(builder);
/// ```
pub trait BatchLayer: Send + Sync + 'static {
    /// Handles a batch, by `next` or without it.
    fn call<'d>(&'d self, cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d>;
}

impl<F> BatchLayer for F
where
    F: for<'d> Fn(&'d BatchContext, NextBatch<'d>) -> Invocation<'d> + Send + Sync + 'static,
{
    fn call<'d>(&'d self, cx: &'d BatchContext, next: NextBatch<'d>) -> Invocation<'d> {
        self(cx, next)
    }
}

/// What a [`BatchLayer`] goes round: the next layer, or the handler.
#[derive(Clone, Copy)]
pub struct NextBatch<'d> {
    layers: &'d [Arc<dyn BatchLayer>],
    handler: InvokeBatch,
}

impl<'d> NextBatch<'d> {
    pub(crate) fn new(layers: &'d [Arc<dyn BatchLayer>], handler: InvokeBatch) -> Self {
        Self { layers, handler }
    }

    /// Handles the batch. Of what a call has put into the [`Outbox`](crate::Outbox)es of its messages
    /// only that of those that [succeeded](BatchContext::succeeded) goes out, whatever the layer makes
    /// of the rest, and nothing of a call that is dropped midway. Another call begins anew: what an
    /// earlier one has put there, or has said of single messages, is forgotten.
    #[must_use = "a handler does nothing before it is polled"]
    pub fn run(self, cx: &'d BatchContext) -> Invocation<'d> {
        match self.layers.split_first() {
            Some((layer, layers)) => layer.call(cx, Self { layers, ..self }),
            None => self.handle(cx),
        }
    }

    fn handle(self, cx: &'d BatchContext) -> Invocation<'d> {
        cx.forget_outcomes();
        discard_all(cx);
        let unless_done = DiscardOnDrop(Some(cx));
        // The arguments are made when this is polled: in the scope, or the span, that a layer has put
        // round it.
        Box::pin(async move {
            let mut unless_done = unless_done;
            let outcome = (self.handler)(cx).await;
            unless_done.0 = None;
            // Of those that have an outcome each, each decides.
            if !matches!(outcome, Outcome::Ack) {
                let failed = cx.accepted_messages().skip(cx.succeeded(&outcome));
                failed.for_each(outgoing::discard);
            }
            outcome
        })
    }
}

fn discard_all(cx: &BatchContext) {
    cx.messages().iter().for_each(outgoing::discard);
}

/// Empties the outboxes of a call that has not come to an end.
struct DiscardOnDrop<'d>(Option<&'d BatchContext>);

impl Drop for DiscardOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(cx) = self.0 {
            discard_all(cx);
        }
    }
}

impl std::fmt::Debug for NextBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NextBatch").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}
