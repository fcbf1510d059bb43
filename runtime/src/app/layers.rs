//! What the builder puts round publishing and round listeners.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::builder::SpringhareBuilder;
use crate::error::StartFault;
use crate::listener::plan::ListenerPlan;
use crate::middleware::{BatchLayer, ListenerLayer, MessageProcessor, Middleware, PublishLayer};

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
    /// before; round those goes a [`batch_layer`](Self::batch_layer).
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

    /// Puts a [`BatchLayer`] round all handlers of batches, inside those that were given before.
    pub fn batch_layer(mut self, layer: impl BatchLayer) -> Self {
        self.middleware.batch_layers.push(Arc::new(layer));
        self
    }

    /// Puts a [`BatchLayer`] round the handler of the listener with this id, inside those of all. One of a
    /// listener that takes single messages, or of none, keeps the application from starting.
    pub fn batch_layer_of(mut self, id: impl Into<String>, layer: impl BatchLayer) -> Self {
        self.middleware.of_batch_listeners.push((id.into(), Arc::new(layer)));
        self
    }

    /// Puts a [`PublishLayer`] round each message that is sent, inside those that were given before.
    pub fn publish_layer(mut self, layer: impl PublishLayer) -> Self {
        self.middleware.publish_layers.push(Arc::new(layer));
        self
    }
}

/// A fault for each layer whose listener is not there, or takes what the layer is not called with.
pub(super) fn of_nobody<'a>(
    middleware: &'a Middleware,
    plan_of: impl Fn(&str) -> Option<&'a ListenerPlan> + 'a,
) -> impl Iterator<Item = StartFault> + 'a {
    let of_listeners = ids(&middleware.of_listeners).map(|id| (id, "layer_of", Takes::OneMessage));
    let of_batches = ids(&middleware.of_batch_listeners);
    let of_batches = of_batches.map(|id| (id, "batch_layer_of", Takes::Batches));
    of_listeners.chain(of_batches).filter_map(move |(id, method, called_with)| {
        let why = match plan_of(id).map(Takes::of) {
            Some(takes) if takes == called_with => return None,
            Some(Takes::Batches) => {
                "this listener takes batches (`batch`), and a layer is called with one message; put a \
                 `BatchLayer` round it, by `.batch_layer_of(..)`"
            }
            Some(Takes::OneMessage) => {
                "this listener takes one message at a time, and a batch layer is called with a batch; put a \
                 `ListenerLayer` round it, by `.layer_of(..)`"
            }
            None => {
                "no listener has this id; it is `module::function` where the attribute says nothing, \
                 `app.listener_ids()` names all"
            }
        };
        Some(StartFault::new(format!("`.{method}(\"{id}\", ..)`: {why}")))
    })
}

/// Each id once.
fn ids<L>(layers: &[(String, L)]) -> impl Iterator<Item = &str> {
    layers.iter().map(|(id, _)| &**id).collect::<BTreeSet<_>>().into_iter()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    OneMessage,
    Batches,
}

impl Takes {
    fn of(plan: &ListenerPlan) -> Self {
        if plan.batch.is_some() { Self::Batches } else { Self::OneMessage }
    }
}
