//! What is declared and deleted while the application runs, in the graph.

use super::Graph;
use super::check::{add_binding, add_exchange, add_queue};
use super::consistency::inconsistencies;
use super::definition::{BindingNode, DestinationKind, ExchangeNode, QueueNode};
use super::redeclare::Node;
use crate::declare::Declaration;
use crate::error::Fault;

/// A part of a graph, by itself.
#[derive(Debug)]
pub(crate) enum Part {
    Exchange(ExchangeNode),
    Queue(QueueNode),
    Binding(BindingNode),
}

impl Part {
    /// What is to be declared, and what is wrong with it.
    pub(crate) fn of(declaration: &Declaration) -> (Self, Vec<Fault>) {
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

    pub(crate) fn node(&self) -> Node<'_> {
        match self {
            Self::Exchange(node) => Node::Exchange(node),
            Self::Queue(node) => Node::Queue(node),
            Self::Binding(node) => Node::Binding(node),
        }
    }
}

impl Graph {
    /// This graph and that part; what contradicts is a fault.
    pub(crate) fn with(&self, part: &Part) -> Result<Self, Vec<Fault>> {
        let mut graph = self.clone();
        let mut faults = Vec::new();
        match part {
            Part::Exchange(node) => add_exchange(&mut graph, node.clone(), &mut faults),
            Part::Queue(node) => add_queue(&mut graph, node.clone(), &mut faults),
            Part::Binding(node) => add_binding(&mut graph, node.clone()),
        }
        faults.extend(inconsistencies(&graph));
        if faults.is_empty() { Ok(graph) } else { Err(faults) }
    }

    /// This graph without a queue and what leads there.
    pub(crate) fn without_queue(&self, queue: &str) -> Self {
        let mut graph = self.clone();
        graph.queues.retain(|name, _| name != queue);
        graph.bindings.retain(|binding| {
            binding.kind != DestinationKind::Queue || binding.destination != queue
        });
        graph
    }

    /// This graph without an exchange and its bindings, on both sides.
    pub(crate) fn without_exchange(&self, exchange: &str) -> Self {
        let mut graph = self.clone();
        graph.exchanges.retain(|name, _| name != exchange);
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
        graph
    }
}
