//! A property: whatever was declared, bound and removed, the topology routes as a naive router
//! does, which searches lists from end to end.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What the property test does to a topology; names are numbers, keys are from a small set.
#[derive(Debug, Clone)]
enum Change {
    AddExchange { exchange: u8, kind: ExchangeKind, auto_delete: bool, alternate: Option<u8> },
    RemoveExchange(u8),
    AddQueue(u8),
    RemoveQueue(u8),
    Bind(Edge),
    Unbind(Edge),
}

#[derive(Debug, Clone)]
struct Edge {
    source: u8,
    destination: End,
    key: &'static str,
    header: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Queue(u8),
    Exchange(u8),
}

const KEYS: [&str; 7] = ["", "a", "a.b", "*", "#", "a.#", "#.b"];

fn edge() -> impl Strategy<Value = Edge> {
    let end = prop_oneof![(0u8..4).prop_map(End::Queue), (0u8..4).prop_map(End::Exchange)];
    let key = proptest::sample::select(&KEYS[..]);
    (0u8..4, end, key, proptest::option::of(0u8..2))
        .prop_map(|(source, destination, key, header)| Edge { source, destination, key, header })
}

fn change() -> impl Strategy<Value = Change> {
    let kind = proptest::sample::select(vec![
        ExchangeKind::Direct,
        ExchangeKind::Fanout,
        ExchangeKind::Topic,
        ExchangeKind::Headers,
    ]);
    let add = (0u8..4, kind, any::<bool>(), proptest::option::of(0u8..4)).prop_map(
        |(exchange, kind, auto_delete, alternate)| Change::AddExchange {
            exchange,
            kind,
            auto_delete,
            alternate,
        },
    );
    prop_oneof![
        4 => add,
        1 => (0u8..4).prop_map(Change::RemoveExchange),
        4 => (0u8..4).prop_map(Change::AddQueue),
        1 => (0u8..4).prop_map(Change::RemoveQueue),
        12 => edge().prop_map(Change::Bind),
        3 => edge().prop_map(Change::Unbind),
    ]
}

fn exchange_name(exchange: u8) -> ShortString {
    name(&format!("x{exchange}"))
}

fn queue_name(queue: u8) -> ShortString {
    name(&format!("q{queue}"))
}

impl Edge {
    fn binding(&self) -> Binding {
        let destination = match self.destination {
            End::Queue(queue) => Destination::Queue(queue_name(queue)),
            End::Exchange(exchange) => Destination::Exchange(exchange_name(exchange)),
        };
        let arguments = self.header.map(header).unwrap_or_default();
        Binding::new(exchange_name(self.source), destination, name(self.key), arguments)
    }
}

fn header(value: u8) -> FieldTable {
    let mut table = FieldTable::new();
    table.insert("n", value).unwrap();
    table
}

/// The same with lists, searched from end to end.
#[derive(Debug, Default)]
struct Naive {
    exchanges: Vec<ExchangeDefinition>,
    queues: BTreeSet<u8>,
    bindings: Vec<Edge>,
}

impl Naive {
    fn exchange(&self, exchange: u8) -> Option<&ExchangeDefinition> {
        self.exchanges.iter().find(|present| present.name == exchange_name(exchange))
    }

    fn exists(&self, end: End) -> bool {
        match end {
            End::Queue(queue) => self.queues.contains(&queue),
            End::Exchange(exchange) => self.exchange(exchange).is_some(),
        }
    }

    /// Removes the bindings that `gone` picks, then the exchanges left bare, and so on.
    fn unbind(&mut self, gone: impl Fn(&Edge) -> bool) {
        let sources: BTreeSet<u8> =
            self.bindings.iter().filter(|edge| gone(edge)).map(|edge| edge.source).collect();
        self.bindings.retain(|edge| !gone(edge));
        for source in sources {
            let bare = !self.bindings.iter().any(|edge| edge.source == source);
            if bare && self.exchange(source).is_some_and(|exchange| exchange.auto_delete) {
                self.remove_exchange(source);
            }
        }
    }

    fn remove_exchange(&mut self, exchange: u8) {
        self.exchanges.retain(|present| present.name != exchange_name(exchange));
        self.bindings.retain(|edge| edge.source != exchange);
        self.unbind(|edge| edge.destination == End::Exchange(exchange));
    }

    fn routed(&self, first: u8, keys: &[&str], headers: Option<u8>) -> BTreeSet<u8> {
        let (mut met, mut queues) = (BTreeSet::from([first]), BTreeSet::new());
        let mut pending = vec![first];
        while let Some(exchange) = pending.pop() {
            let Some(definition) = self.exchange(exchange) else { continue };
            let mut ends: Vec<End> = self
                .bindings
                .iter()
                .filter(|edge| edge.source == exchange)
                .filter(|edge| keys.iter().any(|key| matches(definition.kind, edge, key, headers)))
                .map(|edge| edge.destination)
                .collect();
            if ends.is_empty() {
                let alternate = definition.alternate_exchange();
                ends.extend(alternate.map(|name| End::Exchange(name.as_bytes()[1] - b'0')));
            }
            for end in ends {
                match end {
                    End::Queue(queue) => drop(queues.insert(queue)),
                    End::Exchange(next) if met.insert(next) => pending.push(next),
                    End::Exchange(_) => {}
                }
            }
        }
        queues
    }
}

fn matches(kind: ExchangeKind, edge: &Edge, key: &str, headers: Option<u8>) -> bool {
    match kind {
        ExchangeKind::Fanout => true,
        ExchangeKind::Direct => edge.key == key,
        ExchangeKind::Headers => edge.header.is_none() || edge.header == headers,
        ExchangeKind::Topic => match edge.key {
            "#" => true,
            "*" => !key.is_empty() && !key.contains('.'),
            "a.#" => key == "a" || key.starts_with("a."),
            "#.b" => key == "b" || key.ends_with(".b"),
            literal => literal == key,
        },
        _ => unreachable!("no such exchange is declared here"),
    }
}

fn apply(topology: &mut Map, naive: &mut Naive, change: Change) {
    match change {
        Change::AddExchange { exchange, kind, auto_delete, alternate } => {
            if naive.exchange(exchange).is_none() {
                let mut definition = definition(&exchange_name(exchange), kind);
                definition.auto_delete = auto_delete;
                if let Some(alternate) = alternate {
                    let alternate = exchange_name(alternate);
                    definition.arguments.insert("alternate-exchange", alternate).unwrap();
                }
                naive.exchanges.push(definition.clone());
                topology.add_exchange(definition);
            }
        }
        Change::RemoveExchange(exchange) => {
            topology.remove_exchange(&exchange_name(exchange));
            naive.remove_exchange(exchange);
        }
        Change::AddQueue(queue) => {
            if naive.queues.insert(queue) {
                topology.add_queue(queue_name(queue), Handle(queue.into()));
            }
        }
        Change::RemoveQueue(queue) => {
            let removed = topology.remove_queue(&queue_name(queue)).is_some();
            assert_eq!(removed, naive.queues.remove(&queue));
            naive.unbind(|edge| edge.destination == End::Queue(queue));
        }
        Change::Bind(edge) => {
            let possible = naive.exchange(edge.source).is_some() && naive.exists(edge.destination);
            let known = naive.bindings.iter().any(|known| known.binding() == edge.binding());
            let expected = if known { Added::Known } else { Added::New };
            assert_eq!(topology.bind(edge.binding()).ok(), possible.then_some(expected));
            if possible && !known {
                naive.bindings.push(edge);
            }
        }
        Change::Unbind(edge) => {
            let known = naive.bindings.iter().any(|known| known.binding() == edge.binding());
            let removed = topology.unbind(&edge.binding());
            assert_eq!(removed == Removed::Gone, known);
            naive.unbind(|present| present.binding() == edge.binding());
        }
    }
}

proptest! {
    #[test]
    fn it_routes_as_a_naive_router_does(
        changes in proptest::collection::vec(change(), 1..60),
        snapshot_at in 0usize..60,
    ) {
        let (mut topology, mut naive) = (Map::new(), Naive::default());
        let mut snapshot = None;
        for (step, change) in changes.into_iter().enumerate() {
            if step == snapshot_at {
                snapshot = Some((topology.clone(), all_routes(&topology)));
            }
            apply(&mut topology, &mut naive, change);
            prop_assert_eq!(topology.bindings().count(), naive.bindings.len());
        }
        for exchange in 0..4 {
            prop_assert_eq!(
                topology.has_bindings_from(&exchange_name(exchange)),
                naive.bindings.iter().any(|edge| edge.source == exchange)
            );
        }
        for (exchange, keys, headers, routes) in all_routes(&topology) {
            let expected: Vec<u64> =
                naive.routed(exchange, keys, headers).into_iter().map(u64::from).collect();
            prop_assert_eq!(routes, expected, "x{} {:?} {:?}", exchange, keys, headers);
        }
        if let Some((snapshot, routes)) = snapshot {
            prop_assert_eq!(all_routes(&snapshot), routes);
        }
    }
}

type Route = (u8, &'static [&'static str], Option<u8>, Vec<u64>);

/// What messages are published with: a routing key, and those of `CC` and `BCC` behind it.
const PUBLISHED: [&[&str]; 14] = [
    &[""],
    &["a"],
    &["a.b"],
    &["*"],
    &["#"],
    &["a.#"],
    &["#.b"],
    &["b"],
    &["a.b.b"],
    &["x.b"],
    &["a", "b"],
    &["a", "a"],
    &["nothing.matches", "a.b", "x.b", ""],
    &["a.b.b", "a", "a.b", "b", "x.b", "nothing.matches"],
];

/// Every exchange with every key and header; a queue that is met twice would be there twice.
fn all_routes(topology: &Map) -> Vec<Route> {
    let mut all = Vec::new();
    for exchange in 0..4 {
        for keys in PUBLISHED {
            let copies: Vec<Box<str>> = keys[1..].iter().copied().map(Box::from).collect();
            for headers in [None, Some(0), Some(1)] {
                let mut routes = Routes::default();
                let properties = with_headers(headers.map(header));
                let message = RoutedMessage::new(keys[0], &copies, &properties, || 0);
                if topology.route(&exchange_name(exchange), &message, &mut routes).is_ok() {
                    let mut queues: Vec<u64> = routes.queues().iter().map(|q| q.0).collect();
                    queues.sort_unstable();
                    all.push((exchange, keys, headers, queues));
                }
            }
        }
    }
    all
}
