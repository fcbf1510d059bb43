//! What a listener with `retry(delays = ..)` needs at the broker: on ours an exchange that keeps
//! messages back, on any other a queue for each delay.

use springhare_amqp::FieldTable;

use super::definition::{
    BindingNode, Definition, DestinationKind, ExchangeNode, Naming, Origin, QueueNode,
};
use crate::connection::Product;
use crate::listener::retry::Redeliveries;
use crate::template::{
    RETRY_EXCHANGE, RETRY_EXCHANGE_KIND, retry_exchange_options, wait_queue_of, wait_queue_options,
};

/// What the delays of one listener are kept by.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    pub(crate) exchange: Option<ExchangeNode>,
    pub(crate) bindings: Vec<BindingNode>,
    pub(crate) queues: Vec<QueueNode>,
}

impl Delays {
    pub(crate) fn of(redeliveries: &Redeliveries, queues: &[QueueNode], origin: &Origin) -> Self {
        let delays = match redeliveries {
            Redeliveries::After(delays) if !delays.is_empty() => delays,
            _ => return Self::default(),
        };
        let binding = |queue: &QueueNode| BindingNode {
            exchange: RETRY_EXCHANGE,
            kind: DestinationKind::Queue,
            destination: queue.name.clone(),
            routing_key: queue.name.clone(),
            arguments: FieldTable::new(),
            lenient: false,
            origin: origin.clone(),
        };
        let waiting = |queue: &QueueNode| -> Vec<QueueNode> {
            let node = |delay| QueueNode {
                name: wait_queue_of(&queue.name, delay),
                naming: Naming::Waiting,
                options: wait_queue_options(&queue.name, delay),
                definition: Definition::Full,
                lenient: false,
                origin: origin.clone(),
            };
            delays.iter().copied().map(node).collect()
        };
        Self {
            exchange: Some(exchange(origin)),
            bindings: queues.iter().map(binding).collect(),
            queues: queues.iter().flat_map(waiting).collect(),
        }
    }

    /// The same for queues that somebody else declares, who may not have done so yet.
    pub(crate) fn of_foreign_queues(mut self) -> Self {
        self.bindings.iter_mut().for_each(|binding| binding.lenient = true);
        self
    }
}

impl BindingNode {
    /// Whether it brings back to its queue what has waited. It has the queue's name for its key.
    pub(super) fn is_for_delays(&self) -> bool {
        self.exchange == RETRY_EXCHANGE
    }
}

/// The same whoever declares it, so that its listeners are one another's equals.
fn exchange(origin: &Origin) -> ExchangeNode {
    ExchangeNode {
        name: RETRY_EXCHANGE,
        kind: RETRY_EXCHANGE_KIND.to_owned(),
        options: retry_exchange_options(),
        definition: Definition::Full,
        lenient: false,
        origin: origin.clone(),
    }
}

impl QueueNode {
    /// Whether it is declared on this broker: one that keeps messages back itself needs no queue
    /// for them to wait in.
    pub(crate) fn is_on(&self, product: Product) -> bool {
        self.naming != Naming::Waiting || product != Product::Springhare
    }
}

impl ExchangeNode {
    /// Whether it is declared on this broker: others need a plugin to keep messages back.
    pub(crate) fn is_on(&self, product: Product) -> bool {
        self.name != RETRY_EXCHANGE || product == Product::Springhare
    }
}

impl BindingNode {
    /// Whether it is declared on this broker.
    pub(crate) fn is_on(&self, product: Product) -> bool {
        self.exchange != RETRY_EXCHANGE || product == Product::Springhare
    }
}
