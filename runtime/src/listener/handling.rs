//! A listener as a part of a container: its plan, and what its deliveries know of it.

use std::fmt;
use std::sync::Arc;

use super::context::DeliveryContext;
use super::function::SharedHandler;
use super::invoke::panicked;
use super::key_path::KeyPath;
use super::outcome::Outcome;
use super::plan::ListenerPlan;
use crate::convert::MessageConverters;
use crate::middleware::{Flow, ListenerMiddleware, Middleware, after_receive};

/// One listener of a container.
#[derive(Debug)]
pub(crate) struct Handling {
    pub(crate) plan: Arc<ListenerPlan>,
    pub(crate) served: Arc<Served>,
    pub(crate) middleware: ListenerMiddleware,
}

/// What a delivery's context says of the listener that the delivery is for.
pub(crate) struct Served {
    pub(crate) listener_id: Arc<str>,
    pub(crate) converters: MessageConverters,
    /// Those of its keys that have words in braces.
    pub(crate) key_paths: Arc<[KeyPath]>,
    /// Its queue has a name of the broker's, and another one with each connection.
    pub(crate) anonymous: bool,
    /// Its messages are acknowledged, or need no ack, before anybody sees them.
    pub(crate) settled_before: bool,
    /// What handles its messages, where that is no function with an attribute.
    pub(crate) handler: Option<SharedHandler>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("listener_id", &self.listener_id).finish_non_exhaustive()
    }
}

impl Handling {
    pub(crate) fn new(plan: Arc<ListenerPlan>, middleware: &Middleware) -> Self {
        let served = Served {
            listener_id: Arc::clone(&plan.id),
            converters: plan.converter.chosen.clone(),
            key_paths: Arc::clone(&plan.key_paths),
            anonymous: plan.anonymous,
            settled_before: !plan.acknowledge.comes_again(),
            handler: plan.function.handler.clone(),
        };
        let middleware = middleware.of_listener(&plan.id);
        if plan.batch.is_some() && !middleware.layers.is_empty() {
            tracing::info!(
                listener = &*plan.id,
                batch_layers = middleware.batch_layers.len(),
                "it takes batches: no `.layer(..)` goes round it, each `.batch_layer(..)` does"
            );
        }
        Self { plan, served: Arc::new(served), middleware }
    }
}

impl Handling {
    /// Has the application's processors look at the message in `context`; an outcome if it goes no
    /// further.
    pub(super) fn process(&self, context: &DeliveryContext) -> Option<Outcome> {
        if self.middleware.processors.is_empty() { None } else { self.processed(context) }
    }

    fn processed(&self, context: &DeliveryContext) -> Option<Outcome> {
        let mut message = context.message().clone();
        match after_receive(&self.middleware.processors, &mut message) {
            Ok(Ok(Flow::Continue)) => {
                context.replace_message(message);
                None
            }
            Ok(Ok(Flow::Discard)) => {
                context.discard();
                Some(Outcome::Ack)
            }
            Ok(Err(error)) => Some(Outcome::from_rejection(error)),
            // It has failed as a handler has, which may pass; what it refuses is refused for good.
            Err(panic) => Some(Outcome::Failed(panicked(&*panic))),
        }
    }
}
