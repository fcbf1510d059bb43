mod bindings;
mod compatible;
mod faults;

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::engine::shared::Shared;
use crate::engine::users::Users;
use crate::model::access::{Permissions, User};
use crate::model::definitions::FaultKind;
use crate::model::limits::VirtualHostLimits;
use crate::model::virtual_host::VirtualHostOptions;

/// What RabbitMQ 3.10.8 exported, of a node with one or more of everything.
const RABBITMQS: &str = include_str!("tests/rabbitmq.json");

fn broker() -> Arc<BrokerCell> {
    let users = Users::new([], std::collections::BTreeSet::new()).unwrap();
    Arc::new(BrokerCell::new(Shared::new(BrokerConfig::default(), Clock::default()), [], users))
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// The parts in an order of their own: RabbitMQ has none.
fn sorted(mut definitions: Value) -> Value {
    for part in definitions.as_object_mut().unwrap().values_mut() {
        if let Value::Array(entries) = part {
            entries.sort_by_key(Value::to_string);
        }
    }
    definitions
}

fn faults(broker: &Arc<BrokerCell>, definitions: &Value) -> Vec<String> {
    let error = import(broker, &definitions.to_string()).unwrap_err();
    assert_eq!(error.further(), 0);
    error.faults().iter().map(ToString::to_string).collect()
}

#[test]
fn what_rabbitmq_exports_is_imported_and_exported_as_it_was() {
    let broker = broker();
    let imported = import(&broker, RABBITMQS).unwrap();
    let given = value(RABBITMQS);
    let count = |part: &str| given[part].as_array().unwrap().len();
    assert_eq!(
        (imported.users, imported.queues, imported.exchanges, imported.bindings),
        (count("users"), count("queues"), count("exchanges"), count("bindings"))
    );
    // RabbitMQ does not export internal exchanges, but their bindings.
    let warnings: Vec<_> = imported.warnings.iter().map(ToString::to_string).collect();
    let [transient, warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(transient.contains("RabbitMQ 4.3 refuses queues that are neither durable"));
    assert!(
        warning.ends_with("an end of this binding is neither here nor in the broker: left out")
    );

    let mut exported = value(&export(&broker));
    let mut expected = given.clone();
    for (of, key) in [(&mut exported, "product_name"), (&mut expected, "x")] {
        for key in [key, "rabbit_version", "rabbitmq_version"] {
            of.as_object_mut().unwrap().remove(key);
        }
    }
    let bindings = expected["bindings"].as_array_mut().unwrap();
    bindings.retain(|binding| binding["destination"] != "xi");
    // An empty list is RabbitMQ's way to write no limits of a virtual host.
    for host in expected["vhosts"].as_array_mut().unwrap() {
        if host["limits"] == json!([]) {
            host["limits"] = json!({});
        }
    }
    assert_eq!(sorted(exported), sorted(expected));
    assert!(broker.authenticate("alice", b"secret", None).is_ok());
}

#[test]
fn importing_again_changes_nothing() {
    let broker = broker();
    import(&broker, RABBITMQS).unwrap();
    let exported = export(&broker);
    import(&broker, &exported).unwrap();
    import(&broker, RABBITMQS).unwrap();
    assert_eq!(export(&broker), exported);
    let other = self::broker();
    let warnings = import(&other, &exported).unwrap().warnings;
    assert!(warnings.iter().all(|warning| warning.text.starts_with("RabbitMQ 4.3")));
    assert_eq!(export(&other), exported);
}

#[test]
fn all_that_is_wrong_is_named_with_its_place_and_nothing_is_applied() {
    let broker = broker();
    let before = export(&broker);
    let named = faults(&broker, &value(include_str!("tests/wrong.json")));
    let expected: Vec<_> = include_str!("tests/wrong.txt").lines().collect();
    assert_eq!(named, expected);
    assert_eq!(export(&broker), before);
}

#[test]
fn what_is_no_json_says_where() {
    let broker = broker();
    for (json, path) in [("{", "$"), ("", "$"), ("[]", "$"), ("{\"queues\": {}}", "$.queues")] {
        let error = import(&broker, json).unwrap_err();
        let [fault] = error.faults() else { panic!("{error}") };
        assert_eq!(fault.path, path);
    }
    let error = import(&broker, "{\"users\": [\n{]}").unwrap_err();
    assert!(
        matches!(&error.faults()[0].kind, FaultKind::Syntax { reason } if reason.contains("line 2"))
    );
    let depth = "[".repeat(10_000);
    assert!(import(&broker, &format!("{{\"queues\": {depth}")).is_err());
}

#[test]
fn very_many_faults_are_counted() {
    let queues: Vec<_> = (0..250).map(|_| json!({})).collect();
    let error = import(&broker(), &json!({"queues": queues}).to_string()).unwrap_err();
    assert_eq!((error.faults().len(), error.further()), (100, 900));
    assert!(error.to_string().ends_with("and 900 more"));
}

#[test]
fn what_is_there_and_another_is_a_fault() {
    let broker = broker();
    let queue = |durable: bool, arguments: Value| {
        json!({"vhost": "/", "name": "q", "durable": durable, "auto_delete": false,
               "arguments": arguments})
    };
    let exchange = |kind: &str| json!({"vhost": "/", "name": "x", "type": kind, "durable": true, "auto_delete": false});
    let first = json!({"queues": [queue(true, json!({}))], "exchanges": [exchange("direct")]});
    import(&broker, &first.to_string()).unwrap();
    let other = json!({
        "queues": [queue(false, json!({})), queue(true, json!({"x-message-ttl": 5}))],
        "exchanges": [exchange("fanout")],
    });
    assert_eq!(
        faults(&broker, &other),
        [
            "$.exchanges[0].type: inequivalent arg 'type' for exchange 'x' in vhost '/': received \
             'fanout' but current is 'direct'",
            "$.queues[0].durable: inequivalent arg 'durable' for queue 'q' in vhost '/': received \
             'false' but current is 'true'",
            "$.queues[1].arguments.x-message-ttl: inequivalent arg 'x-message-ttl' for queue 'q' in \
             vhost '/': received the value '5' of type 'long' but current is none",
        ]
    );
    // In the file itself, too.
    let twice = json!({"queues": [
        {"vhost": "/", "name": "t", "durable": true, "auto_delete": false},
        {"vhost": "/", "name": "t", "durable": true, "auto_delete": false},
        {"vhost": "/", "name": "t", "durable": false, "auto_delete": false},
    ]});
    assert_eq!(faults(&broker, &twice).len(), 1);
}

#[test]
fn a_limit_of_queues_holds() {
    let broker = broker();
    let limits = VirtualHostLimits { max_queues: Some(2), ..VirtualHostLimits::default() };
    broker.set_virtual_host_limits("/", limits).unwrap();
    let queues = |names: &[&str]| {
        let queue = |name: &&str| json!({"vhost": "/", "name": name, "durable": true, "auto_delete": false});
        json!({"queues": names.iter().map(queue).collect::<Vec<_>>()})
    };
    import(&broker, &queues(&["a"]).to_string()).unwrap();
    assert_eq!(
        faults(&broker, &queues(&["a", "b", "c"])),
        [
            "$.queues: adding 2 queue(s) to the virtual host '/' would exceed the limit of 2 queue(s); it \
          has 1"
        ]
    );
    import(&broker, &queues(&["a", "b"]).to_string()).unwrap();
    import(&broker, &queues(&["a", "b"]).to_string()).unwrap();
}

#[test]
fn users_keep_what_the_file_does_not_say() {
    let broker = broker();
    let alice = User::new("alice", "old").permissions("/", Permissions::all());
    broker.set_user(alice).unwrap();
    let tags = json!({"users": [{"name": "alice", "password": "new", "tags": "a, b"}]});
    import(&broker, &tags.to_string()).unwrap();
    assert!(broker.authenticate("alice", b"old", None).is_err());
    let alice = broker.authenticate("alice", b"new", None).unwrap();
    assert!(alice.current().may_open("/"));
    assert_eq!(alice.current().tags(), ["a", "b"]);
}

#[test]
fn one_virtual_host_is_exported() {
    let broker = broker();
    import(&broker, RABBITMQS).unwrap();
    let orders = broker.virtual_hosts()["orders"].clone();
    let exported = export_virtual_host(&broker, &orders);
    assert!(!exported.contains("alice") && !exported.contains("q1"));
    let other = self::broker();
    import(&other, &exported).unwrap();
    assert_eq!(other.virtual_hosts()["orders"].options(), orders.options());
    assert_ne!(*orders.options(), VirtualHostOptions::default());
}

#[test]
fn what_a_connection_has_is_not_exported() {
    let broker = broker();
    let connection = broker.connect(ShortString::EMPTY).unwrap();
    let declare = |name: &str, exclusive| {
        let declaration = crate::model::definition::QueueDeclaration {
            name: ShortString::truncated(name),
            durable: false,
            exclusive,
            auto_delete: false,
            arguments: springhare_amqp::FieldTable::new(),
        };
        connection.virtual_host().queue_declare(&connection, declaration).unwrap();
    };
    declare("own", true);
    declare("", false);
    declare("shared", false);
    let exported = value(&export(&broker));
    let names: Vec<_> = exported["queues"].as_array().unwrap().iter().map(|q| &q["name"]).collect();
    assert_eq!(names, ["shared"]);
    // A queue that is another connection's can't be imported.
    let own = json!({"queues": [
        {"vhost": "/", "name": "own", "durable": false, "auto_delete": false},
    ]});
    assert!(faults(&broker, &own)[0].contains("cannot obtain exclusive access to locked queue"));
}
