mod delays;
mod hashes;
mod naive;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use springhare_amqp::{BasicProperties, FieldValue, MessageProperties};

use super::*;
use crate::model::ids::QueueId;

type Map = Topology<Handle>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Handle(u64);

impl QueueHandle for Handle {
    fn queue_id(&self) -> QueueId {
        QueueId(self.0)
    }
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn definition(exchange: &str, kind: ExchangeKind) -> ExchangeDefinition {
    ExchangeDefinition {
        name: name(exchange),
        kind,
        durable: false,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::new(),
    }
}

fn to_queue(source: &str, key: &str, queue: &str) -> Binding {
    let destination = Destination::Queue(name(queue));
    Binding::new(name(source), destination, name(key), FieldTable::new())
}

fn to_exchange(source: &str, key: &str, exchange: &str) -> Binding {
    let destination = Destination::Exchange(name(exchange));
    Binding::new(name(source), destination, name(key), FieldTable::new())
}

/// Queues `q0`, `q1`, … and nothing bound.
fn with_queues(count: u64) -> Map {
    let mut topology = Map::new();
    for queue in 0..count {
        topology.add_queue(name(&format!("q{queue}")), Handle(queue));
    }
    topology
}

/// A message without properties.
fn keyed(key: &str) -> RoutedMessage<'_> {
    with_copies(key, &[])
}

fn with_copies<'m>(key: &'m str, copies: &'m [Box<str>]) -> RoutedMessage<'m> {
    static NONE: LazyLock<MessageProperties> = LazyLock::new(MessageProperties::default);
    RoutedMessage::new(key, copies, &NONE, || 0)
}

fn with_headers(headers: Option<FieldTable>) -> MessageProperties {
    BasicProperties { headers, ..Default::default() }.into()
}

fn routed(topology: &Map, exchange: &str, key: &str) -> Vec<u64> {
    let mut routes = Routes::default();
    topology.route(exchange, &keyed(key), &mut routes).unwrap();
    let mut queues: Vec<u64> = routes.queues().iter().map(|queue| queue.0).collect();
    queues.sort_unstable();
    queues
}

#[test]
fn the_predeclared_exchanges_are_there() {
    let topology = Map::new();
    let mut names: Vec<&str> =
        topology.exchanges().map(|exchange| exchange.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "",
            "amq.direct",
            "amq.fanout",
            "amq.headers",
            "amq.match",
            "amq.rabbitmq.trace",
            "amq.topic"
        ]
    );
    assert!(topology.exchanges().all(|exchange| exchange.durable && !exchange.auto_delete));
    assert!(topology.exchange("amq.rabbitmq.trace").unwrap().internal);
}

#[test]
fn the_default_exchange_routes_by_queue_name() {
    let mut topology = with_queues(2);
    assert_eq!(routed(&topology, "", "q1"), [1]);
    assert!(routed(&topology, "", "q2").is_empty());
    assert_eq!(topology.remove_queue("q1"), Some(Handle(1)));
    assert_eq!(topology.remove_queue("q1"), None);
    assert!(routed(&topology, "", "q1").is_empty());
}

#[test]
fn an_unknown_exchange_is_an_error_and_no_routes() {
    let topology = with_queues(1);
    let mut routes = Routes::default();
    topology.route("", &keyed("q0"), &mut routes).unwrap();
    assert_eq!(topology.route("nope", &keyed("q0"), &mut routes), Err(UnknownExchange));
    assert!(routes.is_empty());
}

#[test]
fn each_type_routes_in_its_way() {
    let mut topology = with_queues(3);
    for (exchange, key, queue) in [
        ("amq.direct", "a.b", "q0"),
        ("amq.direct", "a.*", "q1"),
        ("amq.fanout", "a.b", "q0"),
        ("amq.fanout", "", "q1"),
        ("amq.topic", "a.b", "q0"),
        ("amq.topic", "a.*", "q1"),
        ("amq.topic", "#.c", "q2"),
    ] {
        assert_eq!(topology.bind(to_queue(exchange, key, queue)), Ok(Added::New));
    }
    assert_eq!(routed(&topology, "amq.direct", "a.b"), [0]);
    assert_eq!(routed(&topology, "amq.fanout", "whatever"), [0, 1]);
    assert_eq!(routed(&topology, "amq.topic", "a.b"), [0, 1]);
    assert_eq!(routed(&topology, "amq.topic", "a.c"), [1, 2]);
}

#[test]
fn a_headers_exchange_routes_by_headers() {
    let mut topology = with_queues(2);
    let headers = |value: i32| {
        let mut table = FieldTable::new();
        table.insert("n", value).unwrap();
        table
    };
    for (queue, arguments) in [("q0", headers(1)), ("q1", FieldTable::new())] {
        let destination = Destination::Queue(name(queue));
        let binding = Binding::new(name("amq.headers"), destination, name("k"), arguments);
        assert_eq!(topology.bind(binding), Ok(Added::New));
    }
    let mut routes = Routes::default();
    for (headers, expected) in
        [(Some(headers(1)), &[0, 1][..]), (Some(headers(2)), &[1]), (None, &[1])]
    {
        let properties = with_headers(headers.clone());
        let message = RoutedMessage::new("", &[], &properties, || 0);
        topology.route("amq.headers", &message, &mut routes).unwrap();
        let queues: BTreeSet<u64> = routes.queues().iter().map(|queue| queue.0).collect();
        assert_eq!(queues, expected.iter().copied().collect(), "{headers:?}");
    }
}

#[test]
fn the_same_binding_twice_is_one_and_arguments_are_part_of_it() {
    let mut topology = with_queues(1);
    let plain = to_queue("amq.direct", "k", "q0");
    let mut arguments = FieldTable::new();
    arguments.insert("n", 1).unwrap();
    let destination = Destination::Queue(name("q0"));
    let other = Binding::new(name("amq.direct"), destination, name("k"), arguments);
    assert_eq!(topology.bind(plain.clone()), Ok(Added::New));
    assert_eq!(topology.bind(plain.clone()), Ok(Added::Known));
    assert_eq!(topology.bind(other.clone()), Ok(Added::New));
    assert_eq!(topology.bindings().count(), 2);
    assert_eq!(routed(&topology, "amq.direct", "k"), [0]);
    assert_eq!(topology.unbind(&plain), Removed::Gone);
    assert_eq!(topology.unbind(&plain), Removed::Unknown);
    assert_eq!(routed(&topology, "amq.direct", "k"), [0]);
    assert_eq!(topology.unbind(&other), Removed::Gone);
    assert!(routed(&topology, "amq.direct", "k").is_empty());
    assert!(!topology.has_bindings_from("amq.direct"));
}

#[test]
fn a_binding_needs_both_ends() {
    let mut topology = with_queues(1);
    assert_eq!(topology.bind(to_queue("nope", "", "q0")), Err(MissingEnd::Source));
    assert_eq!(topology.bind(to_queue("nope", "", "q9")), Err(MissingEnd::Source));
    assert_eq!(topology.bind(to_queue("amq.fanout", "", "q9")), Err(MissingEnd::Destination));
    assert_eq!(topology.bind(to_exchange("amq.fanout", "", "x")), Err(MissingEnd::Destination));
    assert_eq!(topology.unbind(&to_queue("nope", "", "q9")), Removed::Unknown);
}

#[test]
fn exchanges_bound_in_a_ring_route_a_message_once_to_a_queue() {
    let mut topology = with_queues(1);
    for exchange in ["a", "b", "c"] {
        topology.add_exchange(definition(exchange, ExchangeKind::Fanout));
        topology.bind(to_queue(exchange, "", "q0")).unwrap();
    }
    for (source, destination) in [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")] {
        topology.bind(to_exchange(source, "", destination)).unwrap();
    }
    assert_eq!(routed(&topology, "a", ""), [0]);
    assert_eq!(routed(&topology, "c", ""), [0]);
}

#[test]
fn what_matches_nothing_goes_to_the_alternate_exchange() {
    let mut topology = with_queues(2);
    for (exchange, alternate) in [("x", "y"), ("y", "x")] {
        let mut definition = definition(exchange, ExchangeKind::Direct);
        definition.arguments.insert("alternate-exchange", alternate).unwrap();
        topology.add_exchange(definition);
    }
    topology.bind(to_queue("x", "k", "q0")).unwrap();
    topology.bind(to_queue("y", "k", "q1")).unwrap();
    topology.bind(to_queue("y", "l", "q1")).unwrap();
    assert_eq!(routed(&topology, "x", "k"), [0]);
    assert_eq!(routed(&topology, "x", "l"), [1]);
    assert!(routed(&topology, "x", "m").is_empty(), "x and y hand it to each other");
    topology.remove_exchange("y");
    assert!(routed(&topology, "x", "l").is_empty());
}

#[test]
fn the_default_exchange_may_be_the_alternate() {
    let mut topology = with_queues(1);
    let mut definition = definition("x", ExchangeKind::Direct);
    definition.arguments.insert("alternate-exchange", FieldValue::text("")).unwrap();
    topology.add_exchange(definition);
    assert_eq!(routed(&topology, "x", "q0"), [0]);
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding_and_takes_others_along() {
    let mut topology = with_queues(2);
    for exchange in ["a", "b", "c"] {
        let definition =
            ExchangeDefinition { auto_delete: true, ..definition(exchange, ExchangeKind::Fanout) };
        topology.add_exchange(definition);
    }
    topology.bind(to_exchange("a", "", "b")).unwrap();
    topology.bind(to_exchange("b", "", "c")).unwrap();
    for queue in ["q0", "q1"] {
        topology.bind(to_queue("c", "", queue)).unwrap();
    }
    let before = topology.clone();
    topology.unbind(&to_queue("c", "", "q0"));
    assert!(topology.exchange("c").is_some());
    topology.remove_queue("q1");
    for exchange in ["a", "b", "c"] {
        assert!(topology.exchange(exchange).is_none(), "{exchange} is still there");
    }
    assert_eq!(topology.bindings().count(), 0);
    assert_eq!(routed(&before, "a", ""), [0, 1], "the snapshot changed");
}

#[test]
fn a_removed_exchange_takes_its_bindings_along_both_ways() {
    let mut topology = with_queues(1);
    topology.add_exchange(definition("x", ExchangeKind::Fanout));
    topology.bind(to_exchange("amq.fanout", "", "x")).unwrap();
    topology.bind(to_exchange("x", "", "x")).unwrap();
    topology.bind(to_queue("x", "", "q0")).unwrap();
    topology.remove_exchange("x");
    assert_eq!(topology.bindings().count(), 0);
    topology.add_exchange(definition("x", ExchangeKind::Fanout));
    assert!(routed(&topology, "amq.fanout", "").is_empty());
    assert!(routed(&topology, "x", "").is_empty());
}

#[test]
fn a_chain_of_thousands_of_exchanges_is_walked_and_removed_without_recursion() {
    let mut topology = with_queues(1);
    let exchange = |place: usize| format!("x{place}");
    for place in 0..5_000 {
        let definition = definition(&exchange(place), ExchangeKind::Fanout);
        topology.add_exchange(ExchangeDefinition { auto_delete: true, ..definition });
    }
    for place in 1..5_000 {
        topology.bind(to_exchange(&exchange(place - 1), "", &exchange(place))).unwrap();
    }
    topology.bind(to_queue("x4999", "", "q0")).unwrap();
    assert_eq!(routed(&topology, "x0", ""), [0]);
    topology.remove_queue("q0");
    assert_eq!(topology.exchanges().count(), Map::new().exchanges().count());
}
