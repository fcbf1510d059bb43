//! From the builder's `.declare(..)` items to nodes of the graph.

use springhare_amqp::ShortString;

use super::definition::{
    BindingNode, Definition, DestinationKind, ExchangeNode, Naming, Origin, QueueNode,
};
use crate::declare::{Binding, Exchange, Queue};

// The names are short strings already: one that is too long is a fault of the item, told at start.

impl From<&Queue> for QueueNode {
    fn from(queue: &Queue) -> Self {
        Self {
            name: ShortString::truncated(queue.name()),
            naming: Naming::Given,
            options: queue.options(),
            definition: Definition::Full,
            lenient: queue.is_lenient(),
            origin: Origin::builder(queue.place()),
        }
    }
}

impl From<&Exchange> for ExchangeNode {
    fn from(exchange: &Exchange) -> Self {
        Self {
            name: ShortString::truncated(exchange.name()),
            kind: exchange.kind().to_owned(),
            options: exchange.options(),
            definition: Definition::Full,
            lenient: exchange.is_lenient(),
            origin: Origin::builder(exchange.place()),
        }
    }
}

impl From<&Binding> for BindingNode {
    fn from(binding: &Binding) -> Self {
        let kind = if binding.is_to_exchange() {
            DestinationKind::Exchange
        } else {
            DestinationKind::Queue
        };
        Self {
            exchange: ShortString::truncated(binding.source()),
            kind,
            destination: ShortString::truncated(binding.destination()),
            routing_key: ShortString::truncated(binding.routing_key()),
            arguments: binding.arguments().clone(),
            lenient: binding.is_lenient(),
            origin: Origin::builder(binding.place()),
        }
    }
}
