//! What an application is, told before it runs: its listeners, queues, exchanges and bindings, each
//! with the place that it is written down at.
//!
//! `table` is for people in a terminal, `mermaid` for a page, `asyncapi` for tools; `diff` holds it
//! against a broker that runs. Deliberately out: starting anything.

mod asyncapi;
mod diff;
mod listeners;
mod mermaid;
mod schemas;
mod table;

use std::sync::Arc;

pub use diff::{DefinitionsError, TopologyDiff};
pub(crate) use listeners::ListenerTable;

use crate::graph::{BindingNode, ExchangeNode, Graph, QueueNode};
use crate::listener::endpoint::AcknowledgeMode;
use crate::listener::plan::ListenerPlan;

/// What an application declares and runs. `Display` shows it as a table.
///
/// ```
/// use springhare::prelude::*;
///
/// /// Fulfils what was ordered.
/// #[rabbit_listener(id = "orders", queue = "orders", exchange = "shop", kind = "topic", key = "order.*")]
/// async fn fulfil(order: Json<u32>) {}
///
/// let app = Springhare::builder().listeners(listeners![fulfil]).describe()?;
/// assert!(app.to_string().contains("orders"));
/// assert!(app.mermaid().starts_with("flowchart LR"));
/// assert_eq!(app.asyncapi("Shop", "1.0.0")["operations"]["orders"]["action"], "receive");
/// # Ok::<(), springhare::Error>(())
/// ```
///
/// Of an application with several brokers it tells which is whose.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// The broker's name.
    broker: Arc<str>,
    listeners: Vec<Arc<ListenerPlan>>,
    queues: Vec<QueueNode>,
    exchanges: Vec<ExchangeNode>,
    bindings: Vec<BindingNode>,
    /// The same of the other brokers.
    others: Vec<Self>,
}

impl Description {
    /// What is declared and run on these brokers.
    pub(crate) fn of<'g>(brokers: impl IntoIterator<Item = (&'g Arc<str>, &'g Graph)>) -> Self {
        let mut all = brokers.into_iter().map(|(name, graph)| Self::of_broker(name, graph));
        let mut description = all.next().unwrap_or_default();
        description.others = all.collect();
        description
    }

    fn of_broker(broker: &Arc<str>, graph: &Graph) -> Self {
        Self {
            broker: Arc::clone(broker),
            others: Vec::new(),
            listeners: graph.listeners().cloned().collect(),
            queues: graph.queues.values().cloned().collect(),
            exchanges: graph.exchanges.values().cloned().collect(),
            bindings: graph.bindings.clone(),
        }
    }

    /// Each broker's own.
    fn brokers(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// What a queue is called here: an anonymous one has another name at each start.
    fn shown<'q>(&'q self, queue: &'q str) -> &'q str {
        let node = self.queues.iter().find(|node| node.name == *queue);
        if node.is_some_and(QueueNode::is_anonymous) { "(anonymous)" } else { queue }
    }
}

/// Who acknowledges, in the attribute's word.
fn ack_word(plan: &ListenerPlan) -> &'static str {
    match plan.acknowledge {
        AcknowledgeMode::Auto => "auto",
        AcknowledgeMode::Manual => "manual",
        AcknowledgeMode::First => "first",
        AcknowledgeMode::None => "none",
    }
}

/// A body that a listener takes.
struct PayloadType {
    /// The type's name without its path: `Order`, `Vec<Order>`.
    name: String,
    content_type: &'static str,
}

fn payload_of(plan: &ListenerPlan) -> Option<PayloadType> {
    let requirements = plan.function.requirements();
    let (name, content_type) = requirements.payload_type()?;
    Some(PayloadType { name: without_paths(name), content_type })
}

/// `alloc::vec::Vec<shop::Order>` as `Vec<Order>`.
fn without_paths(type_name: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut shown = String::new();
    let mut rest = type_name;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        shown.push_str(path.rsplit("::").next().unwrap_or_default());
        let next = after.find(is_part).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        shown.push_str(between);
        rest = after;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_types_name_is_shown_without_paths() {
        for (name, shown) in [
            ("u32", "u32"),
            ("shop::orders::Order", "Order"),
            ("alloc::vec::Vec<shop::Order>", "Vec<Order>"),
            ("(shop::Order, core::option::Option<&str>)", "(Order, Option<&str>)"),
            ("", ""),
        ] {
            assert_eq!(without_paths(name), shown);
        }
    }
}
