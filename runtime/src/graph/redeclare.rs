//! Takes a graph to the broker once more: on a connection that replaces a lost one, and for a
//! listener whose consumer was lost. The broker may have forgotten everything meanwhile.
//!
//! Nothing is remembered here: what a running application declares stays.

use std::sync::Arc;

use springhare_amqp::{ErrorScope, ShortString};

use super::Graph;
use super::change::Part;
use super::declare::{
    DeclaringChannel, declare_binding, declare_exchange, refused, refused_binding,
};
use super::definition::{BindingNode, DestinationKind, ExchangeNode, Generation, QueueNode};
use crate::connection::{LinkChannel, LinkConnection, LinkError, Product};
use crate::error::StartFault;

/// A part of a graph that is declared by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node<'g> {
    Exchange(&'g ExchangeNode),
    Queue(&'g QueueNode),
    Binding(&'g BindingNode),
}

/// That the broker did not take a node.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) fault: StartFault,
}

impl Graph {
    /// Everything that is declared, in an order that works.
    pub(crate) fn nodes(&self) -> Vec<Node<'_>> {
        let exchanges = self.exchanges.values().map(Node::Exchange);
        let queues = self.queues.values().map(Node::Queue);
        exchanges.chain(queues).chain(self.bindings.iter().map(Node::Binding)).collect()
    }

    /// What does not belong to the connection that it is declared on: all but exclusive queues
    /// and their bindings.
    fn shared_nodes(&self) -> Vec<Node<'_>> {
        let is_exclusive = |queue: &QueueNode| queue.options.exclusive;
        let is_shared = |node: &Node<'_>| match node {
            Node::Exchange(_) => true,
            Node::Queue(queue) => !is_exclusive(queue),
            Node::Binding(binding) => {
                binding.kind == DestinationKind::Exchange
                    || !self.queues.get(&binding.destination).is_some_and(is_exclusive)
            }
        };
        self.nodes().into_iter().filter(is_shared).collect()
    }

    /// The queue's name on this connection of the listeners.
    pub(crate) fn queue_name_in(&self, queue: &ShortString, generation: Generation) -> ShortString {
        self.queues.get(queue).map_or_else(|| queue.clone(), |node| node.name_in(generation))
    }

    /// What the graph knows the queue as that has this name on this connection.
    pub(crate) fn queue_known_as(&self, name: &ShortString, generation: Generation) -> ShortString {
        let node = self.queues.values().find(|node| node.name_in(generation) == *name);
        node.map_or_else(|| name.clone(), |node| node.name.clone())
    }

    /// The name that a queue has on this connection, which may be given by that already.
    pub(crate) fn queue_now(&self, name: &ShortString, generation: Generation) -> ShortString {
        self.queue_name_in(&self.queue_known_as(name, generation), generation)
    }

    pub(crate) fn destination_in(
        &self,
        binding: &BindingNode,
        generation: Generation,
    ) -> ShortString {
        match binding.kind {
            DestinationKind::Queue => self.queue_name_in(&binding.destination, generation),
            DestinationKind::Exchange => binding.destination.clone(),
        }
    }

    async fn declare_node(
        &self,
        channel: &dyn LinkChannel,
        node: Node<'_>,
        generation: Generation,
    ) -> Result<(), LinkError> {
        match node {
            Node::Exchange(node) => declare_exchange(channel, node).await,
            Node::Queue(node) => {
                let name = node.name_in(generation);
                channel.queue_declare(&name, node.options.clone()).await.map(drop)
            }
            Node::Binding(node) => {
                declare_binding(channel, node, &self.destination_in(node, generation)).await
            }
        }
    }
}

impl Node<'_> {
    fn is_on(&self, product: Product) -> bool {
        match self {
            Self::Exchange(node) => node.is_on(product),
            Self::Queue(node) => node.is_on(product),
            Self::Binding(node) => node.is_on(product),
        }
    }

    /// Whether that it is refused is logged, and no more.
    pub(super) fn is_lenient(self) -> bool {
        match self {
            Self::Exchange(node) => node.lenient,
            Self::Queue(node) => node.lenient,
            Self::Binding(node) => node.lenient,
        }
    }

    /// Whether it may go on without this node, which the broker has refused. What has cost the
    /// connection is not forgiven: the next ones would be refused for it.
    pub(super) fn forgives(self, error: &LinkError) -> bool {
        let LinkError::Amqp(error) = error else { return false };
        self.is_lenient() && error.scope() == ErrorScope::Channel
    }

    pub(super) fn fault(self, error: &LinkError) -> StartFault {
        match self {
            Self::Exchange(node) => {
                refused("exchange", &node.name, &node.describe(), &node.origin, error)
            }
            Self::Queue(node) => {
                refused("queue", &node.name, &node.describe(), &node.origin, error)
            }
            Self::Binding(node) => refused_binding(node, error),
        }
    }
}

/// Declares these nodes of `graph` on the listeners' connection of this generation. What is refused
/// is returned and the rest is declared all the same; once the connection is lost, nothing more is
/// tried.
pub(crate) async fn redeclare<'g>(
    connection: &Arc<dyn LinkConnection>,
    graph: &'g Graph,
    nodes: Vec<Node<'g>>,
    generation: Generation,
) -> Vec<Refused> {
    let mut channel = DeclaringChannel::new(connection);
    let mut all_refused = Vec::new();
    let product = connection.product();
    for node in nodes.into_iter().filter(|node| node.is_on(product)) {
        let declared = match channel.open().await {
            Ok(channel) => graph.declare_node(&*channel, node, generation).await,
            Err(error) => Err(error),
        };
        if let Err(error) = declared {
            channel.leave_after(&error);
            let fault = node.fault(&error);
            if node.forgives(&error) {
                tracing::warn!(%fault, "a declaration was refused");
            } else {
                all_refused.push(Refused { fault });
            }
            if connection.closed().is_some() {
                return all_refused;
            }
        }
    }
    channel.close().await;
    all_refused
}

/// Declares what of `graph` does not belong to the listeners' connection: everything but exclusive
/// queues and their bindings. Whoever opens another connection to a broker that may have been
/// restarted calls it, so that the first publish finds its exchange. What is refused is returned,
/// and the rest is declared all the same.
pub(crate) async fn declare_shared(
    connection: &Arc<dyn LinkConnection>,
    graph: &Graph,
) -> Vec<StartFault> {
    let nodes = graph.shared_nodes();
    let all_refused = redeclare(connection, graph, nodes, Generation::default()).await;
    all_refused.into_iter().map(|refused| refused.fault).collect()
}

/// Declares once more the queue that a consumer was lost of, and what leads there.
pub(crate) async fn declare_for_queue(
    connection: &Arc<dyn LinkConnection>,
    graph: &Graph,
    queue: &ShortString,
    generation: Generation,
) -> Result<(), LinkError> {
    let product = connection.product();
    let leads_there = |binding: &&BindingNode| {
        binding.kind == DestinationKind::Queue && binding.destination == *queue
    };
    let bindings: Vec<&BindingNode> = graph.bindings.iter().filter(leads_there).collect();
    let exchanges = bindings.iter().filter_map(|binding| graph.exchanges.get(&binding.exchange));
    let queue = graph.queues.get(queue).into_iter();
    let nodes = exchanges.map(Node::Exchange).chain(queue.map(Node::Queue));
    let mut channel = DeclaringChannel::new(connection);
    let nodes = nodes.chain(bindings.iter().copied().map(Node::Binding));
    for node in nodes.filter(|node| node.is_on(product)) {
        let open = channel.open().await?;
        match graph.declare_node(&*open, node, generation).await {
            // Without its way back a delayed message would be lost: better no consumer yet.
            Err(error) if is_way_back(node) || !node.forgives(&error) => return Err(error),
            _ => {}
        }
    }
    channel.close().await;
    Ok(())
}

fn is_way_back(node: Node<'_>) -> bool {
    matches!(node, Node::Binding(binding) if binding.is_for_delays())
}

/// Declares one part of `graph` by itself; if it is refused, that is told as a fault, too.
pub(crate) async fn declare_part(
    connection: &Arc<dyn LinkConnection>,
    graph: &Graph,
    part: &Part,
    generation: Generation,
) -> Result<(), (LinkError, StartFault)> {
    let node = part.node_in(graph);
    let mut channel = DeclaringChannel::new(connection);
    let declared = match channel.open().await {
        Ok(open) => graph.declare_node(&*open, node, generation).await,
        Err(error) => Err(error),
    };
    match declared {
        Err(error) if !node.forgives(&error) => {
            let fault = node.fault(&error);
            Err((error, fault))
        }
        _ => {
            channel.close().await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use springhare_amqp::ReplyCode;
    use springhare_broker::{Broker, QueueDeclareOptions};

    use super::*;
    use crate::connection::{EmbeddedLink, Link};
    use crate::declare::{Binding, Exchange, Queue};
    use crate::graph::definition::{Definition, Naming, Origin};

    /// A durable queue and an anonymous one, both bound to one exchange.
    fn graph() -> Graph {
        let anonymous = QueueNode {
            name: ShortString::from_static("gen"),
            naming: Naming::Generated,
            options: QueueDeclareOptions { exclusive: true, ..Default::default() },
            definition: Definition::Full,
            lenient: false,
            origin: Origin { by: "listener `l`".to_owned(), file: "a.rs", line: 1 },
        };
        let kept = QueueNode::from(&Queue::durable("kept"));
        let bindings = ["gen", "kept"].map(|queue| Binding::queue(queue).to("news").with(""));
        let mut graph = Graph::default();
        let news = ExchangeNode::from(&Exchange::fanout("news"));
        graph.exchanges.insert(news.name.clone(), news);
        graph.queues.extend([anonymous, kept].map(|queue| (queue.name.clone(), queue)));
        graph.bindings.extend(bindings.iter().map(BindingNode::from));
        graph
    }

    /// Why there is no such queue for others; none if there is.
    async fn missing(broker: &Broker, queue: &str) -> Option<ReplyCode> {
        let channel = broker.connect("onlooker").unwrap().open_channel().unwrap();
        channel.queue_declare_passive(queue).await.err().map(|error| error.code())
    }

    #[tokio::test]
    async fn what_belongs_to_one_connection_is_left_out_for_another() {
        let broker = Broker::builder().start().unwrap();
        let link = EmbeddedLink::new(broker.clone());
        let publishing = link.connect("publishing").await.unwrap();
        assert_eq!(declare_shared(&publishing, &graph()).await, []);
        assert_eq!(missing(&broker, "kept").await, None);
        assert_eq!(missing(&broker, "gen").await, Some(ReplyCode::NotFound));

        let graph = graph();
        let third = Generation::default().next().next();
        let listeners = link.connect("listeners").await.unwrap();
        let refused = redeclare(&listeners, &graph, graph.nodes(), third).await;
        assert!(refused.is_empty(), "{refused:?}");
        assert_eq!(missing(&broker, "gen").await, Some(ReplyCode::NotFound));
        assert_eq!(missing(&broker, "gen-2").await, Some(ReplyCode::ResourceLocked));
    }

    #[tokio::test]
    async fn what_is_refused_is_told_with_both_sides_and_the_rest_is_declared() {
        let broker = Broker::builder().start().unwrap();
        let channel = broker.connect("before").unwrap().open_channel().unwrap();
        channel.exchange_declare("news", "topic", Default::default()).await.unwrap();
        let listeners = EmbeddedLink::new(broker.clone()).connect("listeners").await.unwrap();
        let graph = graph();
        let refused = redeclare(&listeners, &graph, graph.nodes(), Generation::default()).await;
        let [Refused { fault }] = refused.as_slice() else { panic!("{refused:?}") };
        for words in ["exchange 'news' as fanout", "received 'fanout' but current is 'topic'"] {
            assert!(fault.text().contains(words), "{fault}");
        }
        assert_eq!(missing(&broker, "kept").await, None);
    }
}
