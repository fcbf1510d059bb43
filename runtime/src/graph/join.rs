//! Listeners that join a running application, and leave it.

use std::sync::Arc;

use springhare_amqp::ShortString;

use super::Graph;
use super::check::{
    add_listener, add_own_bindings, contradiction, duplicate_ids, unreachable_keys,
};
use super::consistency::inconsistencies;
use super::definition::{BindingNode, DestinationKind, ExchangeNode, Origin, QueueNode};
use super::exclusive::exclusive_consumers;
use super::merge::Bound;
use super::resolve::ResolvedListener;
use crate::error::StartFault;
use crate::listener::plan::{ContainerPlan, ListenerPlan};

impl Graph {
    /// This graph and one listener more, with what shares its consumers; or every fault in it.
    pub(crate) fn with_listener(
        &self,
        listener: ResolvedListener,
    ) -> Result<(Self, ContainerPlan), Vec<StartFault>> {
        let mut faults = Vec::new();
        let mut graph = self.clone();
        let mut bindings = Vec::new();
        add_listener(&mut graph, listener, &mut bindings, &mut faults);
        add_own_bindings(&mut graph, bindings);
        let Some(bound) = graph.bound.last() else { return Err(faults) };
        let container = ContainerPlan::alone(Arc::clone(&bound.plan));
        for other in &self.bound {
            divided_with(bound, other, &mut faults);
        }
        graph.bound.sort_by(|one, other| one.plan.id.cmp(&other.plan.id));
        graph.containers.push(container.clone());
        unreachable_keys(&graph, &mut faults);
        faults.extend(inconsistencies(&graph));
        faults.extend(exclusive_consumers(&graph));
        if faults.is_empty() { Ok((graph, container)) } else { Err(faults) }
    }

    /// What is wrong where this listener is to join: another one has its id.
    pub(crate) fn taken_id(&self, joining: &ListenerPlan) -> Vec<StartFault> {
        let mut faults = Vec::new();
        if let Some(other) = self.listeners().find(|plan| plan.id == joining.id) {
            duplicate_ids([&**other, joining].into_iter(), &mut faults);
        }
        faults
    }

    /// This graph without a listener, and without what nobody else in it needs. All of it stays at
    /// the broker.
    pub(crate) fn without_listener(&self, id: &str) -> Self {
        let mut graph = self.clone();
        let Some(leaving) = graph.listeners().find(|plan| *plan.id == *id).cloned() else {
            return graph;
        };
        graph.bound.retain(|bound| *bound.plan.id != *id);
        graph.containers.retain(|container| container.listeners().all(|plan| *plan.id != *id));
        graph.expected.retain(|queue| queue.origin != leaving.origin);
        graph.forget_bindings(|binding| binding.origin == leaving.origin);
        let is_leaving = |origin: &Origin| *origin == leaving.origin;
        graph.forget_unneeded(
            |queue| is_leaving(&queue.origin),
            |exchange| is_leaving(&exchange.origin),
        );
        graph
    }

    /// Forgets these bindings of listeners, but for those that another listener has, too.
    pub(super) fn forget_bindings(&mut self, is_leaving: impl Fn(&BindingNode) -> bool) {
        let Self { of_listeners, bindings, .. } = self;
        of_listeners.retain(|binding| !is_leaving(binding));
        bindings.retain(|binding| {
            !is_leaving(binding) || of_listeners.iter().any(|other| other.same_as(binding))
        });
    }

    /// Forgets these queues and exchanges where no listener and no binding mentions them.
    pub(super) fn forget_unneeded(
        &mut self,
        is_leaving: impl Fn(&QueueNode) -> bool,
        is_exchange_leaving: impl Fn(&ExchangeNode) -> bool,
    ) {
        let Self { queues, exchanges, bindings, bound, .. } = self;
        queues.retain(|name, queue| {
            !is_leaving(queue)
                || bound.iter().any(|listener| listener.plan.queues.contains(name))
                || bindings.iter().any(|binding| leads_to(binding, DestinationKind::Queue, name))
        });
        exchanges.retain(|name, exchange| {
            !is_exchange_leaving(exchange)
                || bindings.iter().any(|binding| {
                    binding.exchange == *name || leads_to(binding, DestinationKind::Exchange, name)
                })
        });
    }

    /// What this graph has beside `before`: to be declared by itself.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut new = Self::default();
        let is_new = |name: &&ShortString| !before.queues.contains_key(*name);
        let queues = self.queues.keys().filter(is_new);
        new.queues = queues.filter_map(|name| self.queues.get_key_value(name)).map(owned).collect();
        let is_new = |name: &&ShortString| !before.exchanges.contains_key(*name);
        let exchanges = self.exchanges.keys().filter(is_new);
        new.exchanges =
            exchanges.filter_map(|name| self.exchanges.get_key_value(name)).map(owned).collect();
        let is_new = |node: &&BindingNode| !before.bindings.iter().any(|old| old.same_as(node));
        new.bindings = self.bindings.iter().filter(is_new).cloned().collect();
        new.expected = self.expected.get(before.expected.len()..).unwrap_or_default().to_vec();
        new
    }
}

fn owned<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

fn leads_to(binding: &BindingNode, kind: DestinationKind, name: &ShortString) -> bool {
    binding.kind == kind && binding.destination == *name
}

/// Who joins has consumers of its own: it can't share those of a listener that runs.
pub(super) fn divided_with(joining: &Bound, other: &Bound, faults: &mut Vec<StartFault>) {
    let both_compete = joining.plan.competing && other.plan.competing;
    for queue in joining.plan.queues.iter().filter(|queue| other.plan.queues.contains(queue)) {
        if !both_compete && joining.words(queue) != other.words(queue) {
            let text = format!(
                "`{}` and `{}` consume from queue '{queue}' with different keys, and listeners whose \
                 messages are divided by their keys start together, with the application; give \
                 `{}` a queue of its own, or let both compete",
                joining.plan.id, other.plan.id, joining.plan.id
            );
            faults.push(contradiction(text, &joining.plan.origin, &other.plan.origin));
        }
    }
}
