//! What is declared and deleted while the application runs, in the graph.

use springhare_amqp::ShortString;

use super::Graph;
use super::check::{add_binding, add_exchange, add_queue};
use super::consistency::inconsistencies;
use super::definition::{BindingNode, DestinationKind, ExchangeNode, Generation, QueueNode};
use super::redeclare::Node;
use crate::declare::Declaration;
use crate::error::StartFault;

/// A part of a graph, by itself.
#[derive(Debug)]
pub(crate) enum Part {
    Exchange(ExchangeNode),
    Queue(QueueNode),
    Binding(BindingNode),
}

impl Part {
    /// What is to be declared, and what is wrong with it.
    pub(crate) fn of(declaration: &Declaration) -> (Self, Vec<StartFault>) {
        match declaration {
            Declaration::Queue(queue) => (Self::Queue(queue.into()), queue.faults().collect()),
            Declaration::Exchange(exchange) => {
                (Self::Exchange(exchange.into()), exchange.faults().collect())
            }
            Declaration::Binding(binding) => {
                (Self::Binding(binding.into()), binding.faults().collect())
            }
        }
    }

    /// The same, with the queue's name in place of that which it has on this connection.
    pub(crate) fn known_to(mut self, graph: &Graph, generation: Generation) -> Self {
        match &mut self {
            Self::Queue(node) => node.name = graph.queue_known_as(&node.name, generation),
            Self::Binding(node) => node.be_known_to(graph, generation),
            Self::Exchange(_) => {}
        }
        self
    }

    /// The node; a queue is declared as the graph has it, which knows an anonymous one.
    pub(super) fn node_in<'n>(&'n self, graph: &'n Graph) -> Node<'n> {
        match self {
            Self::Exchange(node) => Node::Exchange(node),
            Self::Queue(node) => Node::Queue(graph.queues.get(&node.name).unwrap_or(node)),
            Self::Binding(node) => Node::Binding(node),
        }
    }
}

impl BindingNode {
    /// Has its queue's name in place of that which the queue has on this connection.
    pub(crate) fn be_known_to(&mut self, graph: &Graph, generation: Generation) {
        if self.kind == DestinationKind::Queue {
            self.destination = graph.queue_known_as(&self.destination, generation);
        }
    }
}

impl Graph {
    /// This graph and that part; what contradicts is a fault.
    pub(crate) fn with(&self, part: &Part) -> Result<Self, Vec<StartFault>> {
        let mut graph = self.clone();
        let mut faults = Vec::new();
        match part {
            Part::Exchange(node) => add_exchange(&mut graph, node.clone(), &mut faults),
            Part::Queue(node) => add_queue(&mut graph, node.clone(), &mut faults),
            Part::Binding(node) => add_binding(&mut graph, node.clone()),
        }
        match part {
            Part::Exchange(node) => graph.bring_back(DestinationKind::Exchange, &node.name),
            Part::Queue(node) => graph.bring_back(DestinationKind::Queue, &node.name),
            Part::Binding(_) => {}
        }
        faults.extend(inconsistencies(&graph));
        if faults.is_empty() { Ok(graph) } else { Err(faults) }
    }

    /// This graph without a queue and what leads there.
    pub(crate) fn without_queue(&self, queue: &str) -> Self {
        let mut graph = self.clone();
        graph.queues.retain(|name, _| name != queue);
        graph.deleted.insert((DestinationKind::Queue, ShortString::truncated(queue)));
        graph.bindings.retain(|binding| {
            binding.kind != DestinationKind::Queue || binding.destination != queue
        });
        graph
    }

    /// This graph without an exchange and its bindings, on both sides.
    pub(crate) fn without_exchange(&self, exchange: &str) -> Self {
        let mut graph = self.clone();
        graph.exchanges.retain(|name, _| name != exchange);
        graph.deleted.insert((DestinationKind::Exchange, ShortString::truncated(exchange)));
        graph.bindings.retain(|binding| {
            let leads_there =
                binding.kind == DestinationKind::Exchange && binding.destination == exchange;
            !leads_there && binding.exchange != exchange
        });
        graph
    }

    /// This graph without a binding.
    pub(crate) fn without_binding(&self, binding: &BindingNode) -> Self {
        let mut graph = self.clone();
        graph.bindings.retain(|known| !known.same_as(binding));
        graph.of_listeners.retain(|known| !known.same_as(binding));
        graph
    }

    /// What was deleted by hand is declared again: listeners' bindings that went with it come
    /// back, if nothing else is missing for them.
    fn bring_back(&mut self, kind: DestinationKind, name: &ShortString) {
        if !self.deleted.remove(&(kind, name.clone())) {
            return;
        }
        let is_deleted = |kind, name: &ShortString| self.deleted.contains(&(kind, name.clone()));
        let back: Vec<BindingNode> = self
            .of_listeners
            .iter()
            .filter(|binding| {
                !is_deleted(DestinationKind::Exchange, &binding.exchange)
                    && !is_deleted(binding.kind, &binding.destination)
            })
            .cloned()
            .collect();
        back.into_iter().for_each(|binding| add_binding(self, binding));
    }

    /// The bindings that came with the change from `before`.
    pub(crate) fn bindings_since<'g>(&'g self, before: &Self) -> Vec<Node<'g>> {
        let is_new = |node: &&BindingNode| !before.bindings.iter().any(|old| old.same_as(node));
        self.bindings.iter().filter(is_new).map(Node::Binding).collect()
    }
}
