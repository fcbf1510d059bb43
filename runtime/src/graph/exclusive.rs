//! Who is to be the only consumer of a queue: nothing in the application may stand in the way.

use springhare_amqp::FieldValue;

use super::Graph;
use super::check::contradiction;
use super::definition::QueueNode;
use crate::declare::Kind;
use crate::error::StartFault;
use crate::listener::plan::{ContainerPlan, ListenerPlan};

/// What keeps a listener with `exclusive_consumer` from being alone.
pub(super) fn exclusive_consumers(graph: &Graph) -> Vec<StartFault> {
    let mut faults = Vec::new();
    for (index, container) in graph.containers.iter().enumerate() {
        let plan = &container.lead;
        if !plan.exclusive_consumer {
            continue;
        }
        faults.extend(own_contradictions(graph, plan).into_iter().map(|text| {
            let text = format!("{}: {text}", plan.origin.by);
            StartFault::new(text).at(plan.origin.file, plan.origin.line)
        }));
        let others = graph.containers.iter().enumerate();
        // Of two that want to be alone the first says so.
        let others = others
            .filter(|(other, one)| *other > index || !one.lead.exclusive_consumer)
            .filter(|(other, _)| *other != index);
        faults.extend(others.filter_map(|(_, other)| beside(container, other)));
    }
    faults
}

/// What stands in the way of the listener itself.
fn own_contradictions(graph: &Graph, plan: &ListenerPlan) -> Vec<String> {
    let mut texts = Vec::new();
    if plan.concurrency_max > 1 {
        texts.push(format!(
            "an exclusive consumer is the only one of its queue, and `concurrency` is set to {}: \
             set it to 1, or leave `exclusive_consumer` out",
            plan.concurrency_max
        ));
    }
    for queue in plan.queues.iter().filter_map(|queue| graph.queues.get(queue)) {
        if has_single_active_consumer(queue) {
            texts.push(format!(
                "queue '{}' has `x-single-active-consumer` and refuses exclusive consumers: leave \
                 that or `exclusive_consumer` out",
                queue.name
            ));
        }
        let remedy = match Kind::of(&queue.options.arguments) {
            Some(Kind::Quorum) => ", and give the queue `single_active_consumer`",
            Some(Kind::Stream) => "",
            Some(Kind::Classic) | None => continue,
        };
        texts.push(format!(
            "queue '{}' is no classic queue and has no exclusive consumers: leave \
             `exclusive_consumer` out{remedy}",
            queue.name
        ));
    }
    texts
}

fn has_single_active_consumer(queue: &QueueNode) -> bool {
    let argument = queue.options.arguments.get("x-single-active-consumer");
    argument.and_then(FieldValue::as_bool) == Some(true)
}

/// Two of one application that can't both consume.
fn beside(exclusive: &ContainerPlan, other: &ContainerPlan) -> Option<StartFault> {
    let has = |name| other.queues.iter().any(|(queue, _)| queue == name);
    let (queue, _) = exclusive.queues.iter().find(|(queue, _)| has(queue))?;
    let (one, other) = (&exclusive.lead, &other.lead);
    let text = format!(
        "`{}` is to be the only consumer of queue '{queue}' (`exclusive_consumer`), and `{}` \
         consumes it too; leave `exclusive_consumer` out, or give one of them another queue",
        one.id, other.id
    );
    Some(contradiction(text, &one.origin, &other.origin))
}
