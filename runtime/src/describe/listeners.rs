//! The listeners of an application in a few words each: what a start tells.

use std::fmt;

use super::ack_word;
use super::table::{place, table};
use crate::graph::{Graph, QueueNode};
use crate::listener::plan::ListenerPlan;

/// How many listeners are told one by one.
const ROWS_MAX: usize = 200;

/// What runs, for the log. `Display` is the table.
pub(crate) struct ListenerTable<'g>(pub(crate) &'g Graph);

impl fmt::Display for ListenerTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(graph) = self;
        let rows = graph.listeners().take(ROWS_MAX).map(|plan| {
            let queues: Vec<&str> = plan.queues.iter().map(|queue| shown(graph, queue)).collect();
            [
                plan.id.to_string(),
                queues.join(", "),
                consumers(plan),
                plan.prefetch.to_string(),
                ack_word(plan).to_owned(),
                place(&plan.origin),
            ]
        });
        table(f, ["LISTENER", "QUEUE", "CONSUMERS", "PREFETCH", "ACK", "AT"], rows)?;
        match graph.listeners().len().checked_sub(ROWS_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(f, ".. and {more} more"),
        }
    }
}

/// An anonymous queue has another name at each start.
fn shown<'q>(graph: &Graph, queue: &'q str) -> &'q str {
    let node = graph.queues.get(queue);
    if node.is_some_and(QueueNode::is_anonymous) { "(anonymous)" } else { queue }
}

fn consumers(plan: &ListenerPlan) -> String {
    match (plan.concurrency, plan.concurrency_max) {
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min}-{max}"),
    }
}
