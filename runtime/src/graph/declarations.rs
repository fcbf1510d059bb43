use super::definition::{BindingNode, ExchangeNode, QueueNode};
use crate::declare::Declaration;
use crate::error::StartFault;

/// What a builder declares on one broker, beside what the listeners do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declarations {
    pub(crate) exchanges: Vec<ExchangeNode>,
    pub(crate) queues: Vec<QueueNode>,
    pub(crate) bindings: Vec<BindingNode>,
}

impl Declarations {
    /// Adds one, and says what is wrong with it by itself.
    pub(crate) fn add(&mut self, declaration: &Declaration) -> Vec<StartFault> {
        match declaration {
            Declaration::Queue(queue) => {
                self.queues.push(QueueNode::from(queue));
                queue.faults().collect()
            }
            Declaration::Exchange(exchange) => {
                self.exchanges.push(ExchangeNode::from(exchange));
                exchange.faults().collect()
            }
            Declaration::Binding(binding) => {
                self.bindings.push(BindingNode::from(binding));
                binding.faults().collect()
            }
        }
    }
}
