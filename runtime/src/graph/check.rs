//! Merges the listeners' parts and the declared items into one graph, and finds every
//! contradiction among them.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use springhare_amqp::ShortString;

use super::Graph;
use super::consistency::inconsistencies;
use super::declarations::Declarations;
use super::definition::{BindingNode, Definition, ExchangeNode, Origin, QueueNode};
use super::delays::Delays;
use super::exclusive::exclusive_consumers;
use super::faults_of::follow;
use super::merge::{Bound, merge};
use super::resolve::ResolvedListener;
use super::rules::Rules;
use super::source::ListenerSource;
use crate::error::StartFault;
use crate::listener::endpoint::RabbitListenerEndpoint;
use crate::listener::plan::ListenerPlan;
use crate::listener::policy::ErrorPolicies;

/// The kinds of exchanges that every broker has.
const KINDS: [&str; 4] = ["direct", "fanout", "topic", "headers"];
/// What the kinds that plugins bring begin with.
const PLUGIN_KIND_PREFIX: &str = "x-";

/// What a graph is made of.
pub(crate) struct GraphInput<'a> {
    pub(crate) endpoints: Vec<&'static RabbitListenerEndpoint>,
    /// Those that no attribute has left behind.
    pub(crate) made: Vec<ListenerSource<'a>>,
    /// All that are linked into the program.
    pub(crate) linked: Vec<&'static RabbitListenerEndpoint>,
    /// Whether the endpoints were chosen among them.
    pub(crate) is_a_part: bool,
    /// What the builder declares, by the broker's name.
    pub(crate) declared: BTreeMap<Arc<str>, Declarations>,
    pub(crate) rules: Rules<'a>,
}

/// The graph of each broker, and every fault in them. What a graph alone can't tell (an exchange
/// that only the broker may know) is left to [`declare`](super::declare()).
pub(crate) fn check(input: GraphInput<'_>) -> (BTreeMap<Arc<str>, Graph>, Vec<StartFault>) {
    let mut faults = Vec::new();
    let GraphInput { mut endpoints, made, linked, is_a_part, declared, rules } = input;
    endpoints.sort_by_cached_key(|endpoint| (endpoint.id(), endpoint.file, endpoint.line));
    let chosen = endpoints.iter().map(|endpoint| endpoint.id());
    let chosen = resolved_ids(chosen.chain(made.iter().map(|source| source.id.clone())), &rules);
    let linked = resolved_ids(linked.iter().map(|endpoint| endpoint.id()), &rules);
    let sources = endpoints.iter().copied().map(ListenerSource::of).chain(made);
    let mut listeners: Vec<ResolvedListener> =
        sources.filter_map(|source| rules.resolve(&source, &mut faults)).collect();
    listeners.sort_by(|a, b| a.plan.id.cmp(&b.plan.id));
    follow(&mut listeners, &mut faults);
    unknown_policies(&listeners, rules.policies, &mut faults);
    duplicate_ids(listeners.iter().map(|listener| &listener.plan), &mut faults);
    let known: Vec<&str> = chosen.union(&linked).map(String::as_str).collect();
    faults.extend(rules.settings.unknown_listeners(&known, is_a_part));
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    faults.extend(rules.settings.ambiguous_variables(&chosen));

    let of_broker = |declared| (declared, Vec::new());
    let declared = declared.into_iter();
    let mut brokers: BTreeMap<Arc<str>, (Declarations, Vec<ResolvedListener>)> =
        declared.map(|(name, declared)| (name, of_broker(declared))).collect();
    for listener in listeners {
        let name = Arc::clone(&listener.plan.broker);
        brokers.entry(name).or_default().1.push(listener);
    }
    let graph_of =
        |(name, (declared, listeners))| (name, graph_of(declared, listeners, &mut faults));
    let graphs = brokers.into_iter().map(graph_of).collect();
    (graphs, faults)
}

/// The graph of one broker.
fn graph_of(
    declared: Declarations,
    listeners: Vec<ResolvedListener>,
    faults: &mut Vec<StartFault>,
) -> Graph {
    let mut graph = Graph::default();
    let mut bindings = Vec::new();
    declared.exchanges.into_iter().for_each(|node| add_exchange(&mut graph, node, faults));
    declared.queues.into_iter().for_each(|node| add_queue(&mut graph, node, faults));
    graph.bound.reserve(listeners.len());
    for listener in listeners {
        add_listener(&mut graph, listener, &mut bindings, faults);
    }
    graph.of_listeners.clone_from(&bindings);
    bindings.extend(declared.bindings);
    graph.bindings = each_once(bindings);
    graph.containers = merge(&graph, &graph.bound, faults);
    unreachable_keys(&graph, faults);
    faults.extend(inconsistencies(&graph));
    faults.extend(exclusive_consumers(&graph));
    graph
}

/// Adds a listener, and what it declares but for its bindings, which are gathered.
pub(super) fn add_listener(
    graph: &mut Graph,
    listener: ResolvedListener,
    all_bindings: &mut Vec<BindingNode>,
    faults: &mut Vec<StartFault>,
) {
    let ResolvedListener { plan, queues, exchanges, bindings, delays, .. } = listener;
    let delays = if plan.declare {
        exchanges.into_iter().for_each(|node| add_exchange(graph, node, faults));
        queues.into_iter().for_each(|node| add_queue(graph, node, faults));
        all_bindings.extend(bindings.iter().cloned());
        delays
    } else {
        graph.expect(&plan);
        delays.of_foreign_queues()
    };
    add_delays(graph, delays, all_bindings, faults);
    let plan = Arc::new(plan);
    graph.bound.push(Bound { plan, bindings });
}

/// Adds what listeners bind their queues to that join later.
pub(super) fn add_own_bindings(graph: &mut Graph, bindings: Vec<BindingNode>) {
    for node in bindings {
        graph.of_listeners.push(node.clone());
        add_binding(graph, node);
    }
}

/// A pattern on a direct exchange is a key that no message has. The macro finds it where it sees
/// the exchange's kind; here it may come from the builder, or be the default.
pub(super) fn unreachable_keys(graph: &Graph, faults: &mut Vec<StartFault>) {
    for binding in &graph.bindings {
        let Some(exchange) = graph.exchanges.get(&binding.exchange) else { continue };
        let is_pattern = binding.routing_key.split('.').any(|word| matches!(word, "*" | "#"));
        if exchange.kind == "direct" && is_pattern {
            let text = format!(
                "{} binds '{}' to exchange '{}' with the key '{}', but a direct exchange knows \
                 no patterns and no message would match; declare it with `kind = \"topic\"`, or \
                 name each key",
                binding.origin.by, binding.destination, binding.exchange, binding.routing_key
            );
            faults.push(StartFault::new(text).at(binding.origin.file, binding.origin.line));
        }
    }
}

/// The ids with their placeholders replaced. That of a listener which can't be resolved for another
/// reason is there all the same.
fn resolved_ids(ids: impl Iterator<Item = String>, rules: &Rules<'_>) -> BTreeSet<String> {
    let ids = ids.map(|id| rules.placeholders.resolve(&id).map_or(id.clone(), Cow::into_owned));
    ids.filter(|id| !id.contains("${")).collect()
}

/// What is said of the errors of listeners that there are not.
fn unknown_policies(
    listeners: &[ResolvedListener],
    policies: &ErrorPolicies,
    faults: &mut Vec<StartFault>,
) {
    for (id, (_, place)) in &policies.listeners {
        if listeners.iter().any(|listener| *listener.plan.id == **id) {
            continue;
        }
        let ids: Vec<String> =
            listeners.iter().map(|listener| format!("`{}`", listener.plan.id)).collect();
        let text = format!(
            "there is no listener `{id}` whose errors could be told apart; there are {}",
            ids.join(", ")
        );
        faults.push(StartFault::new(text).at(place.file, place.line));
    }
}

/// Two listeners of one id; they are sorted by it.
pub(super) fn duplicate_ids<'p>(
    plans: impl Iterator<Item = &'p ListenerPlan>,
    faults: &mut Vec<StartFault>,
) {
    let plans: Vec<_> = plans.collect();
    for pair in plans.windows(2) {
        let [first, second] = pair else { continue };
        if first.id == second.id {
            let text = format!(
                "two listeners have the id `{}`; give one of them another with `id = \"..\"`",
                first.id
            );
            faults.push(contradiction(text, &first.origin, &second.origin));
        }
    }
}

pub(super) fn add_exchange(graph: &mut Graph, node: ExchangeNode, faults: &mut Vec<StartFault>) {
    if !KINDS.contains(&node.kind.as_str()) && !node.kind.starts_with(PLUGIN_KIND_PREFIX) {
        let text = format!(
            "exchange '{}' of {} has the kind '{}'; there are {}",
            node.name,
            node.origin.by,
            node.kind,
            KINDS.join(", ")
        );
        faults.push(StartFault::new(text).at(node.origin.file, node.origin.line));
    }
    match graph.exchanges.entry(node.name.clone()) {
        Entry::Vacant(vacant) => {
            vacant.insert(node);
        }
        Entry::Occupied(occupied) => {
            let first = occupied.get();
            if !node.same_as(first) && !adopts(node.definition, first.origin.is_builder()) {
                let sides = [(first.describe(), &first.origin), (node.describe(), &node.origin)];
                faults.push(conflict("exchange", &node.name, sides));
            }
        }
    }
}

pub(super) fn add_queue(graph: &mut Graph, node: QueueNode, faults: &mut Vec<StartFault>) {
    match graph.queues.entry(node.name.clone()) {
        Entry::Vacant(vacant) => {
            vacant.insert(node);
        }
        Entry::Occupied(occupied) => {
            let first = occupied.get();
            if !node.same_as(first) && !adopts(node.definition, first.origin.is_builder()) {
                let sides = [(first.describe(), &first.origin), (node.describe(), &node.origin)];
                faults.push(conflict("queue", &node.name, sides));
            }
        }
    }
}

/// What a listener's messages wait in is the application's, whoever declares the listener's queue.
pub(super) fn add_delays(
    graph: &mut Graph,
    delays: Delays,
    all_bindings: &mut Vec<BindingNode>,
    faults: &mut Vec<StartFault>,
) {
    let Delays { exchange, queues, bindings } = delays;
    exchange.into_iter().for_each(|node| add_exchange(graph, node, faults));
    queues.into_iter().for_each(|node| add_queue(graph, node, faults));
    all_bindings.extend(bindings);
}

/// The bindings without those that are there before, in the time that it takes to look at each. Of two
/// equals, of which one must not be refused, none may be.
fn each_once(all: Vec<BindingNode>) -> Vec<BindingNode> {
    let mut bindings: Vec<BindingNode> = Vec::with_capacity(all.len());
    let mut places: HashMap<(ShortString, ShortString), Vec<usize>> =
        HashMap::with_capacity(all.len());
    for node in all {
        let ends = (node.destination.clone(), node.routing_key.clone());
        let places = places.entry(ends).or_default();
        let same = |place: &&usize| bindings.get(**place).is_some_and(|one| one.same_as(&node));
        let place = places.iter().find(same).copied();
        if let Some(known) = place.and_then(|place| bindings.get_mut(place)) {
            known.lenient &= node.lenient;
        } else {
            places.push(bindings.len());
            bindings.push(node);
        }
    }
    bindings
}

/// Adds one binding to few; see [`each_once`].
pub(super) fn add_binding(graph: &mut Graph, node: BindingNode) {
    match graph.bindings.iter_mut().find(|known| known.same_as(&node)) {
        Some(known) => known.lenient &= node.lenient,
        None => graph.bindings.push(node),
    }
}

/// A listener that only names a queue or an exchange takes over what the builder declares.
fn adopts(definition: Definition, declared_by_the_builder: bool) -> bool {
    definition == Definition::NameOnly && declared_by_the_builder
}

fn conflict(what: &str, name: &ShortString, sides: [(String, &Origin); 2]) -> StartFault {
    let [(first_definition, first), (second_definition, second)] = sides;
    let text = format!(
        "{what} '{name}' is defined in two ways: as {first_definition} by {}, as \
         {second_definition} by {}; a definition must be the same wherever it is declared",
        first.by, second.by
    );
    contradiction(text, first, second)
}

/// A fault with the places of both sides.
pub(super) fn contradiction(text: String, first: &Origin, second: &Origin) -> StartFault {
    StartFault::new(text).at(first.file, first.line).at(second.file, second.line)
}
