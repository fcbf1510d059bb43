//! What the builder puts round publishing and round listeners.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::builder::SpringhareBuilder;
use crate::error::StartFault;
use crate::listener::plan::ListenerPlan;
use crate::middleware::{ListenerLayer, MessageProcessor, Middleware, PublishLayer};

impl SpringhareBuilder {
    /// Measures what happens, see [`metrics`](crate::metrics): feature `metrics`. With the feature
    /// `prometheus` it installs the recorder, if the process has none: install your own before.
    ///
    /// ```
    /// let builder = springhare::Springhare::builder().metrics();
    /// # drop(builder);
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics(self) -> Self {
        // Before the first message: a counter without a recorder counts for nobody.
        #[cfg(feature = "prometheus")]
        drop(crate::metrics::prometheus());
        self.observed_by(Arc::new(crate::metrics::Metrics))
    }

    /// Has a [`MessageProcessor`] change all messages as they go out and as they come in.
    pub fn processor(mut self, processor: impl MessageProcessor) -> Self {
        self.middleware.processors.push(Arc::new(processor));
        self
    }

    /// Puts a [`ListenerLayer`] round all handlers but those of batches, inside those that were given
    /// before.
    pub fn layer(mut self, layer: impl ListenerLayer) -> Self {
        self.middleware.listener_layers.push(Arc::new(layer));
        self
    }

    /// Puts a [`ListenerLayer`] round the handler of the listener with this id, inside those of all. One
    /// of a listener that takes batches, or of none, keeps the application from starting.
    pub fn layer_of(mut self, id: impl Into<String>, layer: impl ListenerLayer) -> Self {
        self.middleware.of_listeners.push((id.into(), Arc::new(layer)));
        self
    }

    /// Puts a [`PublishLayer`] round each message that is sent, inside those that were given before.
    pub fn publish_layer(mut self, layer: impl PublishLayer) -> Self {
        self.middleware.publish_layers.push(Arc::new(layer));
        self
    }
}

/// A fault for each layer whose listener is not there, or has none since it takes batches.
pub(super) fn of_nobody<'a>(
    middleware: &'a Middleware,
    plan_of: impl Fn(&str) -> Option<&'a ListenerPlan> + 'a,
) -> impl Iterator<Item = StartFault> + 'a {
    let ids = middleware.of_listeners.iter().map(|(id, _)| &**id).collect::<BTreeSet<_>>();
    ids.into_iter().filter_map(move |id| {
        let why = match plan_of(id) {
            Some(plan) if plan.batch.is_none() => return None,
            Some(_) => {
                "this listener takes batches (`batch`), which no layer goes round: a layer is called \
                 with one message; remove it, and do in the handler what it is for"
            }
            None => {
                "no listener has this id; it is `module::function` where the attribute says nothing, \
                 `app.listener_ids()` names all"
            }
        };
        Some(StartFault::new(format!("`.layer_of(\"{id}\", ..)`: {why}")))
    })
}
