//! Exchanges that choose one of their destinations.

use super::*;

/// Queues `q0`, `q1`, … bound with this key to an exchange `x` of this type.
fn bound(kind: ExchangeKind, queues: u64, key: &str) -> Map {
    let mut topology = with_queues(queues);
    topology.add_exchange(definition("x", kind));
    for queue in 0..queues {
        topology.bind(to_queue("x", key, &format!("q{queue}"))).unwrap();
    }
    topology
}

fn queues_of(topology: &Map, message: &RoutedMessage<'_>) -> Vec<u64> {
    let mut routes = Routes::default();
    topology.route("x", message, &mut routes).unwrap();
    routes.queues().iter().map(|queue| queue.0).collect()
}

#[test]
fn a_random_exchange_takes_the_queue_that_chance_says() {
    thread_local! {
        static NUMBER: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }
    let none = MessageProperties::default();
    for kind in [ExchangeKind::Random, ExchangeKind::LocalRandom] {
        let topology = bound(kind, 3, "");
        let next = || NUMBER.replace(NUMBER.get() + 1);
        let chosen: Vec<u64> = (0..6)
            .flat_map(|_| {
                let message = RoutedMessage::new("k", &[], &none, next);
                let queues = queues_of(&topology, &message);
                assert!(message.was_looked_at(), "the next one may go another way");
                queues
            })
            .collect();
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2]);
    }
    let one = keyed("k");
    assert_eq!(queues_of(&bound(ExchangeKind::Random, 1, ""), &one), [0]);
    assert!(!one.was_looked_at(), "without a choice there is no chance");
}

#[test]
fn a_modulus_hash_exchange_takes_all_keys_for_one() {
    let mut topology = bound(ExchangeKind::ModulusHash, 5, "ignored");
    let keys: Vec<String> = (0..100).map(|key| format!("key.{key}")).collect();
    let all = |topology: &Map| -> Vec<u64> {
        keys.iter().flat_map(|key| queues_of(topology, &keyed(key))).collect()
    };
    let before = all(&topology);
    assert_eq!(before.len(), 100);
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 5);
    let copies = ["other".into()];
    let with_copies: Vec<_> =
        keys.iter().map(|key| queues_of(&topology, &with_copies(key, &copies))).collect();
    assert!(with_copies.iter().all(|queues| queues.len() == 1));
    assert!(with_copies.concat() != before, "the copies' keys count too");
    topology.remove_queue("q2");
    assert!(!all(&topology).contains(&2));
    topology.add_queue(name("q2"), Handle(2));
    topology.bind(to_queue("x", "ignored", "q2")).unwrap();
    assert_eq!(all(&topology), before, "the order of binding does not matter");
}

#[test]
fn they_are_bound_to_exchanges_and_have_alternates_as_others_do() {
    for kind in [ExchangeKind::ConsistentHash, ExchangeKind::ModulusHash, ExchangeKind::Random] {
        let mut topology = with_queues(2);
        let mut x = definition("x", kind);
        x.arguments.insert("alternate-exchange", "amq.fanout").unwrap();
        topology.add_exchange(x);
        topology.bind(to_queue("amq.fanout", "", "q1")).unwrap();
        assert_eq!(routed(&topology, "x", "q0"), [1], "nothing is bound yet");
        topology.bind(to_exchange("x", "1", "amq.direct")).unwrap();
        topology.bind(to_queue("amq.direct", "k", "q0")).unwrap();
        assert_eq!(routed(&topology, "x", "k"), [0]);
        topology.unbind(&to_exchange("x", "1", "amq.direct"));
        assert_eq!(routed(&topology, "x", "k"), [1]);
        // Around in a circle.
        topology.bind(to_exchange("x", "2", "x")).unwrap();
        assert!(routed(&topology, "x", "k").is_empty());
    }
}

#[test]
fn a_consistent_hash_exchange_takes_the_first_key() {
    let topology = bound(ExchangeKind::ConsistentHash, 5, "1");
    let copies = ["other".into()];
    for key in ["a", "b", "c", "d"] {
        let alone = queues_of(&topology, &keyed(key));
        assert_eq!(alone.len(), 1);
        assert_eq!(queues_of(&topology, &with_copies(key, &copies)), alone);
    }
}
