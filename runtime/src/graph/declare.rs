//! Takes a graph to the broker at the start: declares what is not there, reports what is there
//! otherwise, and remembers what is new, so that a start that fails can take it back.
//!
//! What was there before is never deleted. A new binding between two things that were there
//! before stays: AMQP can't tell whether it is new.

use std::sync::Arc;

use springhare_amqp::{ReplyCode, ShortString};
use springhare_broker::{IfUnused, QueueDeleteOptions};

use super::Graph;
use super::definition::{
    BindingNode, DestinationKind, ExchangeNode, Generation, Origin, QueueNode,
};
use super::redeclare::Node;
use crate::connection::{LinkChannel, LinkConnection, LinkError};
use crate::error::StartFault;

/// What a start has brought to the broker.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    exchanges: Vec<ShortString>,
    queues: Vec<ShortString>,
    /// Bindings to new exchanges, with what they lead to: they would keep their exchange.
    bindings: Vec<(BindingNode, ShortString)>,
}

/// Declares the whole graph on the listeners' connection of this generation. Each fault is reported and the rest is tried all the same.
pub(crate) async fn declare(
    connection: &Arc<dyn LinkConnection>,
    graph: &Graph,
    generation: Generation,
) -> (Declared, Vec<StartFault>) {
    let mut declaring = Declaring::new(connection);
    let product = connection.product();
    for exchange in graph.exchanges.values().filter(|exchange| exchange.is_on(product)) {
        declaring.exchange(exchange).await;
    }
    for queue in graph.queues.values().filter(|queue| queue.is_on(product)) {
        declaring.queue(queue, &queue.name_in(generation)).await;
    }
    for binding in graph.bindings.iter().filter(|binding| binding.is_on(product)) {
        declaring.binding(binding, &graph.destination_in(binding, generation)).await;
    }
    declaring.channel.close().await;
    (declaring.declared, declaring.faults)
}

/// Finds names that are used, declared by nobody in the graph and unknown to the broker.
pub(crate) async fn unknown_names(
    connection: &Arc<dyn LinkConnection>,
    graph: &Graph,
) -> Vec<StartFault> {
    let mut declaring = Declaring::new(connection);
    declaring.unknown_names(graph).await;
    declaring.channel.close().await;
    declaring.faults
}

impl Declared {
    /// Deletes what this start brought. What can't be deleted is logged, and so is what somebody uses
    /// by now: another program may have declared the same just after.
    pub(crate) async fn take_back(self, connection: &Arc<dyn LinkConnection>) {
        let mut channel = DeclaringChannel::new(connection);
        for (binding, destination) in &self.bindings {
            if let Ok(open) = channel.open().await
                && let Err(error) = unbind(&*open, binding, destination).await
            {
                tracing::warn!(%destination, %error, "what has failed could not unbind");
            }
        }
        let unneeded = QueueDeleteOptions { if_unused: true, if_empty: true };
        for queue in &self.queues {
            if let Ok(open) = channel.open().await
                && let Err(error) = open.queue_delete(queue, unneeded).await
            {
                tracing::warn!(%queue, %error, "a failed start could not delete its queue");
            }
        }
        for exchange in &self.exchanges {
            if let Ok(open) = channel.open().await
                && let Err(error) = open.exchange_delete(exchange, IfUnused::Yes).await
            {
                tracing::warn!(%exchange, %error, "a failed start could not delete its exchange");
            }
        }
        channel.close().await;
    }
}

struct Declaring {
    channel: DeclaringChannel,
    declared: Declared,
    faults: Vec<StartFault>,
}

impl Declaring {
    fn new(connection: &Arc<dyn LinkConnection>) -> Self {
        Self {
            channel: DeclaringChannel::new(connection),
            declared: Declared::default(),
            faults: Vec::new(),
        }
    }

    async fn unknown_names(&mut self, graph: &Graph) {
        for exchange in graph.exchanges.values() {
            let Some(alternate) = exchange.alternate() else { continue };
            if !self.knows_exchange(graph, alternate).await {
                let text = format!(
                    "{}: what exchange '{}' can't route goes to exchange '{alternate}', which \
                     nobody declares and the broker does not have; declare it with \
                     `.declare(Exchange::..)`",
                    exchange.origin.by, exchange.name
                );
                self.fault(text, &exchange.origin);
            }
        }
        for queue in &graph.expected {
            if !graph.queues.contains_key(&queue.name) && !self.broker_has_queue(&queue.name).await
            {
                let text = format!(
                    "{} consumes from queue '{}', which the broker does not have and \
                     `declare = false` leaves to others to declare; have it declared, remove \
                     `declare = false`, or let the listener wait for it with the setting \
                     `missing-queues-fatal = false`",
                    queue.origin.by, queue.name
                );
                self.fault(text, &queue.origin);
            }
        }
        for queue in graph.queues.values() {
            let Some(exchange) = queue.dead_letter_exchange() else { continue };
            if !self.knows_exchange(graph, exchange).await {
                let text = format!(
                    "{}: queue '{}' dead-letters to exchange '{exchange}', which nobody declares \
                     and the broker does not have; declare it with `.declare(Exchange::..)`",
                    queue.origin.by, queue.name
                );
                self.fault(text, &queue.origin);
            }
            // The default exchange takes a dead letter to the queue of its key's name.
            let Some(target) = queue.dead_letter_queue() else { continue };
            if !graph.queues.contains_key(target) && !self.broker_has_queue(target).await {
                let text = format!(
                    "{}: queue '{}' dead-letters to queue '{target}', which nobody declares and \
                     the broker does not have; declare it with `.declare(Queue::durable(..))`",
                    queue.origin.by, queue.name
                );
                self.fault(text, &queue.origin);
            }
        }
        // A queue that delayed messages come back to is its listener's, or expected.
        for binding in graph.bindings.iter().filter(|binding| !binding.is_for_delays()) {
            if !self.knows_exchange(graph, &binding.exchange).await {
                self.unknown_binding_end("exchange", &binding.exchange, binding);
            }
            let destination = &binding.destination;
            let is_known = match binding.kind {
                DestinationKind::Exchange => self.knows_exchange(graph, destination).await,
                DestinationKind::Queue => {
                    graph.queues.contains_key(destination)
                        || self.broker_has_queue(destination).await
                }
            };
            if !is_known {
                self.unknown_binding_end(binding.kind.name(), destination, binding);
            }
        }
    }

    fn unknown_binding_end(&mut self, what: &str, name: &ShortString, node: &BindingNode) {
        let text = format!(
            "{} binds {} '{}' to {}, but nobody declares {what} '{name}', and the broker does not have \
             it; declare it here, or have whoever it belongs to declare it before the start",
            node.origin.by,
            node.kind.name(),
            node.destination,
            node.describe()
        );
        self.fault(text, &node.origin);
    }

    async fn knows_exchange(&mut self, graph: &Graph, exchange: &str) -> bool {
        exchange.is_empty()
            || graph.exchanges.contains_key(exchange)
            || self.broker_has_exchange(exchange).await
    }

    async fn broker_has_exchange(&mut self, exchange: &str) -> bool {
        match self.channel.open().await {
            Ok(channel) => is_there(channel.exchange_declare_passive(exchange).await),
            Err(_) => true,
        }
    }

    async fn broker_has_queue(&mut self, queue: &str) -> bool {
        match self.channel.open().await {
            Ok(channel) => is_there(channel.queue_declare_passive(queue).await),
            Err(_) => true,
        }
    }

    async fn exchange(&mut self, node: &ExchangeNode) {
        let is_new = !self.broker_has_exchange(&node.name).await;
        let declared = match self.channel.open().await {
            Ok(channel) => declare_exchange(&*channel, node).await,
            Err(error) => Err(error),
        };
        match declared {
            Ok(()) if is_new => self.declared.exchanges.push(node.name.clone()),
            Ok(()) => {}
            Err(error) => {
                self.refused(Node::Exchange(node), &error);
            }
        }
    }

    async fn queue(&mut self, node: &QueueNode, name: &ShortString) {
        let is_new = !self.broker_has_queue(name).await;
        let declared = match self.channel.open().await {
            Ok(channel) => channel.queue_declare(name, node.options.clone()).await.map(drop),
            Err(error) => Err(error),
        };
        match declared {
            Ok(()) if is_new => self.declared.queues.push(name.clone()),
            Ok(()) => {}
            Err(error) => {
                self.refused(Node::Queue(node), &error);
            }
        }
    }

    async fn binding(&mut self, node: &BindingNode, destination: &ShortString) {
        let bound = match self.channel.open().await {
            Ok(channel) => declare_binding(&*channel, node, destination).await,
            Err(error) => Err(error),
        };
        match bound {
            Ok(()) if self.declared.exchanges.contains(&node.exchange) => {
                self.declared.bindings.push((node.clone(), destination.clone()));
            }
            Ok(()) => {}
            Err(error) => self.refused(Node::Binding(node), &error),
        }
    }

    fn refused(&mut self, node: Node<'_>, error: &LinkError) {
        let connection_is_lost = matches!(error, LinkError::Closed { what: "connection", .. });
        if connection_is_lost && !self.faults.is_empty() {
            // What closed it is told already.
            return;
        }
        let fault = node.fault(error);
        if node.forgives(error) {
            return tracing::warn!(%fault, "a declaration was refused");
        }
        self.faults.push(fault);
    }

    fn fault(&mut self, text: String, origin: &Origin) {
        self.faults.push(StartFault::new(text).at(origin.file, origin.line));
    }
}

/// What a broker says of a definition that differs from the one it has; any other text of its 406
/// is about the definition itself.
const DIFFERS: &str = "inequivalent arg";

/// The fault of a queue or an exchange that the broker refuses, with both definitions where they
/// differ.
pub(super) fn refused(
    what: &str,
    name: &str,
    definition: &str,
    origin: &Origin,
    error: &LinkError,
) -> StartFault {
    let by = &origin.by;
    let is_refused = code_of(error) == Some(ReplyCode::PreconditionFailed);
    let text = if is_refused && error.to_string().contains(DIFFERS) {
        format!(
            "{by} declares {what} '{name}' as {definition}, but the broker has it otherwise: \
             {error}. Make the definition the same, use another name, or delete the {what} on \
             the broker"
        )
    } else if is_refused {
        format!("{by}: the broker refuses {what} '{name}' as {definition}: {error}")
    } else {
        format!("{by}: the broker refuses to declare {what} '{name}': {error}")
    };
    StartFault::new(text).at(origin.file, origin.line)
}

/// The fault of a binding that the broker refuses.
pub(super) fn refused_binding(node: &BindingNode, error: &LinkError) -> StartFault {
    let text = format!(
        "{}: the broker refuses to bind {} '{}' to {}: {error}",
        node.origin.by,
        node.kind.name(),
        node.destination,
        node.describe()
    );
    StartFault::new(text).at(node.origin.file, node.origin.line)
}

pub(super) async fn declare_exchange(
    channel: &dyn LinkChannel,
    node: &ExchangeNode,
) -> Result<(), LinkError> {
    channel.exchange_declare(&node.name, &node.kind, node.options.clone()).await
}

/// Binds `destination`, which is the node's under the name that it has now.
pub(super) async fn declare_binding(
    channel: &dyn LinkChannel,
    node: &BindingNode,
    destination: &str,
) -> Result<(), LinkError> {
    let arguments = node.arguments.clone();
    let key = if node.is_for_delays() { destination } else { &*node.routing_key };
    let source = &node.exchange;
    match node.kind {
        DestinationKind::Queue => channel.queue_bind(destination, source, key, arguments).await,
        DestinationKind::Exchange => {
            channel.exchange_bind(destination, source, key, arguments).await
        }
    }
}

/// Takes a binding away from `destination`, which is the node's under the name that it has now.
pub(crate) async fn unbind(
    channel: &dyn LinkChannel,
    node: &BindingNode,
    destination: &str,
) -> Result<(), LinkError> {
    let arguments = node.arguments.clone();
    let (source, key) = (&node.exchange, &node.routing_key);
    match node.kind {
        DestinationKind::Queue => channel.queue_unbind(destination, source, key, arguments).await,
        DestinationKind::Exchange => {
            channel.exchange_unbind(destination, source, key, arguments).await
        }
    }
}

/// Whether a passive declaration found it. One that is locked is there too.
fn is_there<T>(answer: Result<T, LinkError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(error) => code_of(&error) != Some(ReplyCode::NotFound),
    }
}

fn code_of(error: &LinkError) -> Option<ReplyCode> {
    error.amqp().map(springhare_amqp::AmqpError::code)
}

/// A channel that is opened again after an error has closed it.
pub(super) struct DeclaringChannel {
    connection: Arc<dyn LinkConnection>,
    open: Option<Arc<dyn LinkChannel>>,
}

impl DeclaringChannel {
    pub(super) fn new(connection: &Arc<dyn LinkConnection>) -> Self {
        Self { connection: Arc::clone(connection), open: None }
    }

    pub(super) async fn open(&mut self) -> Result<Arc<dyn LinkChannel>, LinkError> {
        if let Some(channel) = self.open.take_if(|channel| channel.close_reason().is_none()) {
            self.open = Some(Arc::clone(&channel));
            return Ok(channel);
        }
        let channel = self.connection.open_channel().await?;
        self.open = Some(Arc::clone(&channel));
        Ok(channel)
    }

    /// Leaves the channel behind on which an answer did not come: the next ones would wait as well.
    pub(super) fn leave_after(&mut self, error: &LinkError) {
        if let LinkError::TimedOut { .. } = error {
            self.open = None;
        }
    }

    pub(super) async fn close(&mut self) {
        if let Some(channel) = self.open.take() {
            // What is left on it is nothing: a closed channel is as good.
            drop(channel.close().await);
        }
    }
}
