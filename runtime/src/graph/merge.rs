//! Which listeners share consumers.
//!
//! Listeners of one queue with the same bindings compete for its messages, each with consumers of
//! its own. With different keys they are merged: one consumer, and each message goes to the handler
//! whose exchange and key match best. Which that is must be clear before the first message comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use springhare_amqp::{FieldTable, ShortString};

use super::Graph;
use super::check::contradiction;
use super::definition::{BindingNode, DestinationKind};
use crate::declare::ExchangeType;
use crate::error::StartFault;
use crate::listener::dispatch::{Dispatch, RouteKey, RouteTable};
use crate::listener::plan::{ContainerPlan, ListenerPlan};

/// A listener and the bindings of its own.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) plan: Arc<ListenerPlan>,
    pub(super) bindings: Vec<BindingNode>,
}

impl Bound {
    fn bindings_of<'b>(&'b self, queue: &'b ShortString) -> impl Iterator<Item = &'b BindingNode> {
        self.bindings.iter().filter(move |binding| binding.destination == *queue)
    }

    /// What it binds the queue to in words, sorted.
    pub(super) fn words(&self, queue: &ShortString) -> BTreeSet<String> {
        self.bindings_of(queue).map(BindingNode::describe).collect()
    }
}

/// The containers of `listeners`, which are sorted by id; `graph` knows the exchanges.
pub(super) fn merge(
    graph: &Graph,
    listeners: &[Bound],
    faults: &mut Vec<StartFault>,
) -> Vec<ContainerPlan> {
    let mut groups: Vec<Vec<usize>> = (0..listeners.len()).map(|index| vec![index]).collect();
    for (queue, members) in by_queue(listeners) {
        if is_divided(queue, &of(listeners, &members), faults) {
            unite(&mut groups, &members);
        }
    }
    groups.iter().filter_map(|group| container(graph, &of(listeners, group), faults)).collect()
}

fn of<'b>(listeners: &'b [Bound], indexes: &[usize]) -> Vec<&'b Bound> {
    indexes.iter().filter_map(|index| listeners.get(*index)).collect()
}

fn by_queue(listeners: &[Bound]) -> BTreeMap<&ShortString, Vec<usize>> {
    let mut queues: BTreeMap<&ShortString, Vec<usize>> = BTreeMap::new();
    for (index, listener) in listeners.iter().enumerate() {
        for queue in &listener.plan.queues {
            let members = queues.entry(queue).or_default();
            if members.last() != Some(&index) {
                members.push(index);
            }
        }
    }
    queues
}

/// Makes one group of those that `members` are in. The groups stay sorted, and so do their members.
fn unite(groups: &mut Vec<Vec<usize>>, members: &[usize]) {
    let has_one = |group: &Vec<usize>| group.iter().any(|index| members.contains(index));
    let (mut united, apart): (Vec<_>, Vec<_>) = groups.drain(..).partition(has_one);
    let mut group: Vec<usize> = united.drain(..).flatten().collect();
    group.sort_unstable();
    *groups = apart;
    let at = groups.partition_point(|other| other.first() < group.first());
    groups.insert(at, group);
}

/// Whether the queue's messages are divided among its listeners; else they compete for them.
fn is_divided(queue: &ShortString, members: &[&Bound], faults: &mut Vec<StartFault>) -> bool {
    let Some((first, others)) = members.split_first() else { return false };
    let words = first.words(queue);
    if others.iter().all(|other| other.words(queue) == words) {
        return false;
    }
    let (competing, divided): (Vec<&Bound>, Vec<&Bound>) =
        members.iter().copied().partition(|member| member.plan.competing);
    if let (Some(one), Some(other)) = (competing.first(), divided.first()) {
        let text = format!(
            "`{}` competes for the messages of queue '{queue}', whatever their keys, and `{}` has \
             other keys there and does not; add `competing` to both, or to none",
            one.plan.id, other.plan.id
        );
        faults.push(contradiction(text, &one.plan.origin, &other.plan.origin));
        return false;
    }
    competing.is_empty()
}

fn container(
    graph: &Graph,
    group: &[&Bound],
    faults: &mut Vec<StartFault>,
) -> Option<ContainerPlan> {
    let (lead, others) = group.split_first()?;
    if others.is_empty() {
        return Some(ContainerPlan::alone(Arc::clone(&lead.plan)));
    }
    if let Some(batches) = group.iter().find(|bound| bound.plan.batch.is_some()) {
        let other = group.iter().find(|other| !Arc::ptr_eq(&other.plan, &batches.plan));
        let other = other.unwrap_or(batches);
        let text = format!(
            "`{}` and `{}` share a queue with different keys, and a batch would mix their \
             messages; give each a queue of its own, or remove `batch`",
            batches.plan.id, other.plan.id
        );
        faults.push(contradiction(text, &batches.plan.origin, &other.plan.origin));
    }
    others.iter().for_each(|other| differences(&lead.plan, &other.plan, faults));
    let mut queues: Vec<(ShortString, Dispatch)> = Vec::new();
    for queue in group.iter().flat_map(|bound| &bound.plan.queues) {
        if queues.iter().all(|(known, _)| known != queue) {
            queues.push((queue.clone(), dispatch(graph, group, queue, faults)));
        }
    }
    Some(ContainerPlan {
        lead: Arc::clone(&lead.plan),
        others: others.iter().map(|other| Arc::clone(&other.plan)).collect(),
        queues,
    })
}

/// What listeners that share consumers must say alike, since it is the consumers'.
fn common(plan: &ListenerPlan) -> [(&'static str, String); 15] {
    let quoted = |text: &str| format!("\"{text}\"");
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "nothing".to_owned());
    let offset = plan.stream_offset.as_ref().map(|offset| format!("{offset:?}"));
    [
        ("ack", quoted(&format!("{:?}", plan.acknowledge).to_lowercase())),
        ("prefetch", plan.prefetch.to_string()),
        ("concurrency", concurrency(plan)),
        ("partition_by", or_none(plan.partition.map(|partition| format!("{:?}", partition.by)))),
        ("declare", plan.declare.to_string()),
        ("missing-queues-fatal", plan.missing_queues_fatal.to_string()),
        ("idle_event", or_none(plan.idle_event.map(|idle| format!("{idle:?}")))),
        ("phase", plan.phase.to_string()),
        ("priority", or_none(plan.priority.map(|priority| priority.to_string()))),
        ("stream_offset", or_none(offset)),
        ("exclusive_consumer", plan.exclusive_consumer.to_string()),
        ("consumer_arguments", arguments(&plan.consumer_arguments)),
        ("auto_startup", plan.auto_startup.to_string()),
        ("circuit", or_none(plan.failure.circuit.map(|circuit| format!("{circuit:?}")))),
        ("group", or_none(plan.group.as_deref().map(quoted))),
    ]
}

/// How many consumers it has, or, where it keeps the order of keys, how many handlers.
fn concurrency(plan: &ListenerPlan) -> String {
    match plan.partition {
        Some(partition) => partition.handlers.to_string(),
        None => format!("{}-{}", plan.concurrency, plan.concurrency_max),
    }
}

/// The arguments in words, whatever their order.
fn arguments(table: &FieldTable) -> String {
    let words = table.iter().map(|(name, value)| format!("\"{name}\" = {value:?}"));
    let words: BTreeSet<String> = words.collect();
    if words.is_empty() {
        return "nothing".to_owned();
    }
    words.into_iter().collect::<Vec<_>>().join(", ")
}

fn differences(lead: &ListenerPlan, other: &ListenerPlan, faults: &mut Vec<StartFault>) {
    for ((key, one), (_, another)) in common(lead).into_iter().zip(common(other)) {
        if one != another {
            let text = format!(
                "`{}` and `{}` share a queue with different keys, and so its consumers, but their \
                 `{key}` differs: {one} and {another}; say the same in both, or give each a queue \
                 of its own",
                lead.id, other.id
            );
            faults.push(contradiction(text, &lead.origin, &other.origin));
        }
    }
}

fn dispatch(
    graph: &Graph,
    group: &[&Bound],
    queue: &ShortString,
    faults: &mut Vec<StartFault>,
) -> Dispatch {
    let on_queue = |(_, bound): &(usize, &&Bound)| bound.plan.queues.contains(queue);
    let members: Vec<(usize, &&Bound)> = group.iter().enumerate().filter(on_queue).collect();
    if let [(only, _)] = members.as_slice() {
        return Dispatch::One(*only);
    }
    let mut table = RouteTable::default();
    for (index, bound) in &members {
        if let Err(fault) = add(graph, &mut table, (*index, bound), queue, group) {
            faults.push(fault);
        }
    }
    Dispatch::ByRoute(table)
}

/// Adds a listener's bindings to the table.
fn add(
    graph: &Graph,
    table: &mut RouteTable,
    (index, bound): (usize, &Bound),
    queue: &ShortString,
    group: &[&Bound],
) -> Result<(), StartFault> {
    let plan = &bound.plan;
    let origin_of = |other: usize| group.get(other).map_or(plan, |other| &other.plan);
    if bound.bindings_of(queue).next().is_none() {
        return table.add_fallback(index).map_err(|other| {
            let other = origin_of(other);
            let text = format!(
                "`{}` and `{}` both take what no key of queue '{queue}' matches; give one of them \
                 an `exchange` and a `key`",
                other.id, plan.id
            );
            contradiction(text, &other.origin, &plan.origin)
        });
    }
    for binding in bound.bindings_of(queue) {
        let key = route_key(graph, binding).map_err(|routes| {
            let other = group.iter().find(|other| !Arc::ptr_eq(&other.plan, plan));
            let other = other.map_or(plan, |other| &other.plan);
            let text = format!(
                "`{}` and `{}` share queue '{queue}', but exchange '{}' {routes}, so nobody can say \
                 whose a message is; give each a queue of its own, or add `competing` to both",
                plan.id, other.id, binding.exchange
            );
            contradiction(text, &plan.origin, &other.origin)
        })?;
        for exchange in sources(graph, &binding.exchange) {
            table.add(exchange, key.clone(), index).map_err(|other| {
                let other = origin_of(other);
                let text = format!(
                    "`{}` and `{}` of queue '{queue}' take the same messages: {} of the one is not \
                     more specific than what the other takes of exchange '{exchange}'; give one of \
                     them another key, or both the same bindings, so that they compete",
                    plan.id,
                    other.id,
                    binding.describe(),
                );
                contradiction(text, &other.origin, &plan.origin)
            })?;
        }
    }
    Ok(())
}

/// What keys the binding takes; else, how its exchange routes.
fn route_key(graph: &Graph, binding: &BindingNode) -> Result<RouteKey, &'static str> {
    let exchange = graph.exchanges.get(&binding.exchange);
    match exchange.and_then(|exchange| exchange.routes_as()) {
        Some(ExchangeType::Direct) => Ok(RouteKey::Exact(binding.routing_key.clone())),
        Some(ExchangeType::Topic) => Ok(RouteKey::of_topic(&binding.routing_key)),
        Some(ExchangeType::Fanout) => Ok(RouteKey::all()),
        Some(ExchangeType::Headers) => Err("routes by headers"),
        Some(_) => Err("routes by chance or by a hash"),
        None => Err("routes in a way that only the broker knows"),
    }
}

/// The exchanges that a message of this one may name: itself, and those that lead there.
fn sources<'g>(graph: &'g Graph, exchange: &'g ShortString) -> Vec<&'g ShortString> {
    let mut sources = vec![exchange];
    let mut at = 0;
    while let Some(destination) = sources.get(at).copied() {
        at += 1;
        let bound = graph.bindings.iter().filter(|binding| {
            binding.kind == DestinationKind::Exchange && binding.destination == *destination
        });
        let alternates = graph.exchanges.values();
        let alternates = alternates.filter(|source| source.alternate() == Some(&**destination));
        let leading =
            bound.map(|binding| &binding.exchange).chain(alternates.map(|node| &node.name));
        for source in leading {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    sources
}
