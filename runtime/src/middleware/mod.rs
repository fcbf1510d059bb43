//! What an application puts round its publishing and its listeners.
//!
//! A [`MessageProcessor`] changes messages as they go out and as they come in, and waits for nothing.
//! A [`ListenerLayer`] goes round a handler of single messages, a [`BatchLayer`] round one of batches, a
//! [`PublishLayer`] round the publish of each message that is sent: they may wait, do without what they go
//! round, or look at what it comes to.
//!
//! They are not `tower`'s services: a delivery is borrowed from its consumer, and a service is
//! called mutably, so that each message would cost clones of all of them.
//!
//! Deliberately out: what the layers do. Retries, timeouts and circuits are a listener's own.

mod batch_layer;
mod listener_layer;
mod message_ids;
mod processor;
mod publish_layer;
mod received;

use std::fmt;
use std::sync::Arc;

use springhare_amqp::Message;
use springhare_broker::Publish;

pub use batch_layer::{BatchLayer, NextBatch};
pub use listener_layer::{ListenerLayer, Next};
pub use message_ids::MessageIds;
pub use processor::{Flow, MessageProcessor};
pub use publish_layer::{LayerFuture, NextPublish, PublishLayer};
pub(crate) use received::{Received, Then, after_receive};

use crate::error::Result;
use crate::trace;

/// All that one application has.
#[derive(Clone, Default)]
pub(crate) struct Middleware {
    pub(crate) processors: Vec<Arc<dyn MessageProcessor>>,
    pub(crate) publish_layers: Vec<Arc<dyn PublishLayer>>,
    pub(crate) listener_layers: Vec<Arc<dyn ListenerLayer>>,
    /// Those of single listeners, by their ids.
    pub(crate) of_listeners: Vec<(String, Arc<dyn ListenerLayer>)>,
    pub(crate) batch_layers: Vec<Arc<dyn BatchLayer>>,
    /// Those of single listeners of batches, by their ids.
    pub(crate) of_batch_listeners: Vec<(String, Arc<dyn BatchLayer>)>,
}

impl Middleware {
    /// What goes round what a template sends and receives.
    pub(crate) fn of_template(&self) -> TemplateMiddleware {
        TemplateMiddleware {
            processors: self.processors.clone(),
            layers: self.publish_layers.clone(),
        }
    }

    /// What goes round the handler of this listener: the application's outside, its own inside.
    pub(crate) fn of_listener(&self, id: &str) -> ListenerMiddleware {
        ListenerMiddleware {
            processors: self.processors.clone(),
            layers: round(id, &self.listener_layers, &self.of_listeners),
            batch_layers: round(id, &self.batch_layers, &self.of_batch_listeners),
        }
    }
}

fn round<L: ?Sized>(id: &str, of_all: &[Arc<L>], of_one: &[(String, Arc<L>)]) -> Vec<Arc<L>> {
    let own = of_one.iter().filter(|(of, _)| of == id).map(|(_, layer)| layer);
    of_all.iter().chain(own).cloned().collect()
}

impl fmt::Debug for Middleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Middleware")
            .field("processors", &self.processors.len())
            .field("publish_layers", &self.publish_layers.len())
            .field("listener_layers", &self.listener_layers.len())
            .field("batch_layers", &self.batch_layers.len())
            .finish_non_exhaustive()
    }
}

/// What goes round what a template sends and receives.
#[derive(Clone, Default)]
pub(crate) struct TemplateMiddleware {
    processors: Vec<Arc<dyn MessageProcessor>>,
    pub(crate) layers: Vec<Arc<dyn PublishLayer>>,
}

impl TemplateMiddleware {
    /// The message as the processors leave it, in their order, and part of the current trace.
    pub(crate) fn process(&self, mut publish: Publish) -> Result<Publish> {
        for processor in &self.processors {
            processor.before_publish(&mut publish)?;
        }
        trace::inject(&mut publish.message.properties);
        Ok(publish)
    }

    /// Has the processors change a message that was received, in their order.
    pub(crate) fn received(&self, message: &mut Message) -> Received {
        if !self.has_processors() {
            return Received::Goes(Flow::Continue);
        }
        Received::of(&self.processors, message)
    }

    pub(crate) fn has_processors(&self) -> bool {
        !self.processors.is_empty()
    }

    pub(crate) fn has_layers(&self) -> bool {
        !self.layers.is_empty()
    }
}

impl fmt::Debug for TemplateMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateMiddleware").finish_non_exhaustive()
    }
}

/// What goes round the handler of a listener.
#[derive(Clone, Default)]
pub(crate) struct ListenerMiddleware {
    pub(crate) processors: Vec<Arc<dyn MessageProcessor>>,
    pub(crate) layers: Vec<Arc<dyn ListenerLayer>>,
    pub(crate) batch_layers: Vec<Arc<dyn BatchLayer>>,
}

impl fmt::Debug for ListenerMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerMiddleware").finish_non_exhaustive()
    }
}
