use std::collections::BTreeMap;

use springhare_amqp::{BasicProperties, FieldValue, MessageProperties};

use super::*;

const KEYS: u32 = 20_000;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn binding(queue: u32, weight: &str) -> Binding {
    let destination = Destination::Queue(name(&format!("q{queue}")));
    Binding::new(name("x"), destination, name(weight), FieldTable::new())
}

fn bound(queues: &[(u32, &str)]) -> ConsistentHash<u32> {
    let mut hash = ConsistentHash::new(&FieldTable::new());
    for (queue, weight) in queues {
        hash.add(&binding(*queue, weight), Target::Queue(*queue));
    }
    hash
}

fn queue_of(hash: &ConsistentHash<u32>, message: &RoutedMessage<'_>) -> Option<u32> {
    let mut found = Found::default();
    hash.matching(message, &mut found);
    let mut targets = found.targets().map(|target| match target {
        Target::Queue(queue) => *queue,
        Target::Exchange(name) => panic!("no exchange is bound: {name}"),
    });
    let queue = targets.next();
    assert!(targets.next().is_none(), "one destination at most");
    queue
}

/// The queue of each key.
fn all(hash: &ConsistentHash<u32>) -> Vec<u32> {
    let none = MessageProperties::default();
    let queue = |key: u32| {
        queue_of(hash, &RoutedMessage::new(&format!("key.{key}"), &[], &none, || 0)).unwrap()
    };
    (0..KEYS).map(queue).collect()
}

fn counts(queues: &[u32]) -> BTreeMap<u32, u32> {
    queues.iter().fold(BTreeMap::new(), |mut counts, queue| {
        *counts.entry(*queue).or_default() += 1;
        counts
    })
}

/// Within a tenth of what is expected.
fn is_about(count: u32, expected: u32) -> bool {
    count.abs_diff(expected) < expected / 10
}

#[test]
fn nothing_bound_matches_nothing() {
    let none = MessageProperties::default();
    let message = RoutedMessage::new("k", &[], &none, || 0);
    assert_eq!(queue_of(&bound(&[]), &message), None);
    assert!(!message.was_looked_at(), "messages with the same key go the same way");
}

#[test]
fn each_queue_has_keys_by_its_weight_and_a_key_always_the_same() {
    let hash = bound(&[(0, "1"), (1, "1"), (2, "2"), (3, "4")]);
    let queues = all(&hash);
    for (queue, count) in counts(&queues) {
        let expected = KEYS / 8 * [1, 1, 2, 4][queue as usize];
        assert!(is_about(count, expected), "{queue} has {count} keys of {expected}");
    }
    let in_another_order = bound(&[(3, "4"), (1, "1"), (2, "2"), (0, "1")]);
    assert_eq!(all(&in_another_order), queues);
}

#[test]
fn a_queue_that_comes_takes_its_share_and_one_that_goes_leaves_it() {
    let mut hash = bound(&[(0, "1"), (1, "1"), (2, "1"), (3, "1")]);
    let before = all(&hash);
    hash.add(&binding(4, "1"), Target::Queue(4));
    let with_one_more = all(&hash);
    let moved = before.iter().zip(&with_one_more).filter(|(before, after)| before != after);
    let moved: Vec<u32> = moved.map(|(_, after)| *after).collect();
    assert!(moved.iter().all(|queue| *queue == 4), "nothing moves elsewhere");
    assert!(is_about(u32::try_from(moved.len()).unwrap(), KEYS / 5), "{}", moved.len());
    hash.remove(&binding(4, "1"));
    assert_eq!(all(&hash), before);
    // In the middle, where RabbitMQ would number its buckets anew.
    hash.remove(&binding(1, "1"));
    for (before, after) in before.iter().zip(all(&hash)) {
        assert!(*before == after || *before == 1, "{before} became {after}");
        assert_ne!(after, 1);
    }
}

#[test]
fn of_two_bindings_to_a_queue_the_first_counts() {
    let mut hash = bound(&[(0, "1"), (1, "1"), (1, "9")]);
    assert!(is_about(counts(&all(&hash))[&1], KEYS / 2));
    hash.remove(&binding(1, "1"));
    assert!(is_about(counts(&all(&hash))[&1], KEYS / 10 * 9));
    hash.remove(&binding(1, "9"));
    assert_eq!(counts(&all(&hash)), BTreeMap::from([(0, KEYS)]));
}

#[test]
fn what_is_hashed_may_be_a_header_or_a_property() {
    let entry = |name: &'static str, value: &str| {
        [(ShortString::from_static(name), FieldValue::text(value))].into_iter().collect()
    };
    let headers = |value: FieldValue| BasicProperties {
        headers: Some([(ShortString::from_static("h"), value)].into_iter().collect()),
        ..Default::default()
    };
    let text = |number: u32| Some(name(&number.to_string()));
    type Properties<'p> = &'p dyn Fn(u32) -> BasicProperties;
    let cases: [(FieldTable, Properties<'_>); 5] = [
        (entry("hash-header", "h"), &|n| headers(n.to_string().as_str().into())),
        (entry("hash-header", "h"), &|n| headers(n.into())),
        (entry("hash-property", "message_id"), &|n| BasicProperties {
            message_id: text(n),
            ..Default::default()
        }),
        (entry("hash-property", "correlation_id"), &|n| BasicProperties {
            correlation_id: text(n),
            ..Default::default()
        }),
        (entry("hash-property", "timestamp"), &|n| BasicProperties {
            timestamp: Some(n.into()),
            ..Default::default()
        }),
    ];
    for (arguments, properties) in cases {
        let mut hash = ConsistentHash::new(&arguments);
        for queue in 0..4 {
            hash.add(&binding(queue, "1"), Target::Queue(queue));
        }
        let of = |properties: &MessageProperties, key| {
            let message = RoutedMessage::new(key, &[], properties, || 0);
            let queue = queue_of(&hash, &message).unwrap();
            assert!(message.was_looked_at(), "the next one may go another way");
            queue
        };
        let queues: Vec<u32> = (0..200)
            .map(|number| {
                let properties = properties(number).into();
                let queue = of(&properties, "one");
                assert_eq!(of(&properties, "other"), queue, "the routing key means nothing");
                queue
            })
            .collect();
        assert_eq!(counts(&queues).len(), 4, "{arguments:?}");
        let none = MessageProperties::default();
        assert_eq!(of(&none, "one"), of(&none, "other"));
    }
}

#[test]
fn wrong_arguments_are_refused_with_rabbitmqs_texts() {
    let refused = |entries: &[(&'static str, &str)]| {
        let entries = entries.iter().map(|(name, value)| {
            (ShortString::from_static(name), FieldValue::text(value.to_owned()))
        });
        check_arguments(&entries.collect()).map_err(|error| error.to_string())
    };
    assert_eq!(
        refused(&[("hash-header", "a"), ("hash-property", "message_id")]),
        Err("hash-header and hash-property are mutually exclusive".to_owned())
    );
    assert_eq!(
        refused(&[("hash-property", "app_id")]),
        Err("Unsupported property: app_id".to_owned())
    );
    assert_eq!(refused(&[("hash-header", "")]), Ok(()));
    assert_eq!(refused(&[]), Ok(()));
}

#[test]
fn a_weight_is_an_integer_of_at_least_one() {
    let of = |key: &str| weight(&name(key)).map_err(|error| error.to_string());
    for (key, expected) in [("1", 1), ("+7", 7), ("0010", 10), ("1000000", 1_000_000)] {
        assert_eq!(of(key), Ok(expected));
    }
    for (key, shown) in
        [("", "<<>>"), ("a", "<<\"a\">>"), ("1.5", "<<\"1.5\">>"), ("-", "<<\"-\">>")]
    {
        assert_eq!(of(key), Err(format!("The binding key must be an integer: {shown}")));
    }
    for key in ["0", "-1", "-0", "000", "-99999999999999999999"] {
        assert_eq!(of(key), Err("The binding key must be greater than 0".to_owned()));
    }
    for key in ["1000001", "99999999999999999999"] {
        assert_eq!(of(key), Err("The binding key must not be greater than 1000000".to_owned()));
    }
}
