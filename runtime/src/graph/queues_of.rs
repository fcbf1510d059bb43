//! Queues that a running listener gets, and gives up.

use std::sync::Arc;

use springhare_amqp::ShortString;
use springhare_broker::QueueDeclareOptions;

use super::Graph;
use super::check::{add_delays, add_own_bindings, add_queue};
use super::consistency::inconsistencies;
use super::definition::{Definition, DestinationKind, Naming, QueueNode};
use super::delays::Delays;
use super::join::divided_with;
use super::merge::Bound;
use crate::error::StartFault;
use crate::listener::plan::ListenerPlan;

impl Graph {
    /// This graph, whose listener of this id consumes from these queues as well; they are declared
    /// durable, unless they are known or somebody else's.
    pub(crate) fn with_queues(
        &self,
        id: &str,
        queues: &[ShortString],
    ) -> Result<Self, Vec<StartFault>> {
        let mut graph = self.clone();
        let mut faults = Vec::new();
        let Some(before) = self.bound.iter().find(|bound| *bound.plan.id == *id) else {
            return Ok(graph);
        };
        let node = |name: &ShortString| QueueNode {
            name: name.clone(),
            naming: Naming::Given,
            options: QueueDeclareOptions { durable: true, ..Default::default() },
            definition: Definition::NameOnly,
            lenient: false,
            origin: before.plan.origin.clone(),
        };
        let nodes: Vec<_> = queues.iter().map(node).collect();
        let plan = &before.plan;
        let delays = Delays::of(&plan.failure.redeliveries, &nodes, &plan.origin);
        let mut bindings = Vec::new();
        if plan.declare {
            for node in nodes {
                // What is known is taken as it is.
                if !graph.queues.contains_key(&node.name) {
                    add_queue(&mut graph, node, &mut faults);
                }
            }
            add_delays(&mut graph, delays, &mut bindings, &mut faults);
        } else {
            add_delays(&mut graph, delays.of_foreign_queues(), &mut bindings, &mut faults);
        }
        add_own_bindings(&mut graph, bindings);
        graph.consumes_from(plan, plan.queues.iter().chain(queues).cloned().collect());
        let added = Bound {
            plan: Arc::new(ListenerPlan { queues: queues.to_vec(), ..(**plan).clone() }),
            bindings: before.bindings.clone(),
        };
        for other in self.bound.iter().filter(|other| *other.plan.id != *id) {
            divided_with(&added, other, &mut faults);
        }
        faults.extend(inconsistencies(&graph));
        if faults.is_empty() { Ok(graph) } else { Err(faults) }
    }

    /// This graph, whose listener of this id does not consume from these queues, and without what
    /// nobody else needs for it. All of it stays at the broker.
    pub(crate) fn without_queues(&self, id: &str, queues: &[ShortString]) -> Self {
        let mut graph = self.clone();
        let Some(bound) = self.bound.iter().find(|bound| *bound.plan.id == *id) else {
            return graph;
        };
        let plan = &bound.plan;
        let is_left = |queue: &&ShortString| !queues.contains(queue);
        graph.consumes_from(plan, plan.queues.iter().filter(is_left).cloned().collect());
        graph.forget_bindings(|binding| {
            binding.origin == plan.origin
                && binding.kind == DestinationKind::Queue
                && queues.contains(&binding.destination)
        });
        let is_of_these = |node: &QueueNode| {
            let waits = node.naming == Naming::Waiting;
            let comes_back = || node.dead_letter_queue().map(ShortString::truncated);
            let waits_for_one = waits && comes_back().is_some_and(|queue| queues.contains(&queue));
            node.origin == plan.origin && (queues.contains(&node.name) || waits_for_one)
        };
        graph.forget_unneeded(is_of_these, |_| false);
        graph
    }

    /// The listener of this plan consumes from these queues.
    fn consumes_from(&mut self, before: &Arc<ListenerPlan>, queues: Vec<ShortString>) {
        let plan = Arc::new(ListenerPlan { queues, ..(**before).clone() });
        let mut bound = self.bound.iter_mut();
        if let Some(bound) = bound.find(|bound| Arc::ptr_eq(&bound.plan, before)) {
            bound.plan = plan;
        }
    }
}
