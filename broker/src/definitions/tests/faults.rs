//! What is wrong with a file, and where it is said to be.

use super::*;

#[test]
fn an_empty_list_is_an_object_without_keys() {
    let parameter = |component: &str, value: Value| {
        json!({"parameters": [
            {"vhost": "/", "component": component, "name": "n", "value": value},
        ]})
    };
    let broker = broker();
    assert_eq!(
        faults(&broker, &parameter("operator_policy", json!([]))),
        [
            "$.parameters[0].value: 'pattern' is missing",
            "$.parameters[0].value: 'definition' is missing"
        ]
    );
    let limits = VirtualHostLimits { max_queues: Some(2), ..VirtualHostLimits::default() };
    broker.set_virtual_host_limits("/", limits).unwrap();
    let nothing = parameter("vhost-limits", Value::Null);
    assert_eq!(faults(&broker, &nothing), ["$.parameters[0]: 'value' is missing"]);
    let limits = || broker.virtual_hosts()["/"].limits();
    assert_eq!(limits().max_queues, Some(2));
    // RabbitMQ writes no limits so.
    import(&broker, &parameter("vhost-limits", json!([])).to_string()).unwrap();
    assert_eq!(limits(), VirtualHostLimits::default());
}

#[test]
fn a_key_that_is_there_twice_is_a_fault() {
    let broker = broker();
    let queue = json!({"vhost": "/", "name": "q", "durable": true, "auto_delete": false});
    let json = format!(
        r#"{{"queues": [{queue}], "vhosts": [{{"name": "v", "metadata": {{"tags": "a", "tags": "b"}}}}], "queues": []}}"#
    );
    let error = import(&broker, &json).unwrap_err();
    let faults: Vec<_> = error.faults().iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "$.vhosts[0].metadata.tags: this key is there twice, and only one could count",
            "$.queues: this key is there twice, and only one could count",
        ]
    );
}

#[test]
fn a_user_with_a_fault_is_a_user_all_the_same() {
    let permissions = json!({"user": "u", "vhost": "/", "configure": "", "write": "", "read": ""});
    for user in [
        json!({"name": "u", "password_hash": "AAAA", "tags": ""}),
        json!({"name": "u", "password": "", "password_hash": "", "tags": ""}),
        json!({"name": "u", "hashing_algorithm": "md5", "tags": ""}),
    ] {
        let file = json!({"users": [user], "permissions": [permissions]});
        let faults = faults(&broker(), &file);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("$.users[0]"), "{faults:?}");
    }
}

#[test]
fn what_is_refused_is_named_with_its_key() {
    let exchange = |name: &str, kind: &str| json!({"vhost": "/", "name": name, "type": kind, "durable": true, "auto_delete": false});
    let queue = |durable, auto_delete, arguments: Value| {
        json!({"vhost": "/", "name": "q", "type": "quorum", "durable": durable,
               "auto_delete": auto_delete, "arguments": arguments})
    };
    let file = json!({
        "exchanges": [exchange("d", "x-delayed-message"), exchange("h", "x-consistent-hash")],
        "queues": [queue(false, true, json!({"x-max-length": -1})),
                   queue(true, false, json!({"x-queue-type": "stream"}))],
        "bindings": [{"vhost": "/", "source": "h", "destination": "h",
                      "destination_type": "exchange", "routing_key": "many"}],
        "policies": [{"vhost": "/", "name": "p", "pattern": "", "definition": {"expires": 1},
                      "priority": 18_446_744_073_709_551_615_u64}],
    });
    assert_eq!(
        faults(&broker(), &file),
        [
            "$.policies[0].priority: expected a whole number, found a larger number than fits 64 bits \
             with its sign",
            "$.queues[1].type: 'quorum' contradicts the argument 'x-queue-type', which is 'stream'",
            "$.exchanges[0].arguments.x-delayed-type: Invalid argument, 'x-delayed-type' must be an \
             existing exchange type",
            "$.queues[0].arguments.x-max-length: invalid arg 'x-max-length' for queue 'q' in vhost \
             '/': {value_negative,-1}",
            "$.queues[0].auto_delete: invalid property 'auto-delete' for queue 'q' in vhost '/'",
            "$.queues[0].durable: invalid property 'non-durable' for queue 'q' in vhost '/'",
            "$.bindings[0].routing_key: The binding key must be an integer: <<\"many\">>",
        ]
    );
}

#[test]
fn an_exchange_that_is_there_has_to_choose_and_delay_alike() {
    let exchanges = |delayed: &str, property: &str, other: &str| {
        let exchange = |name: &str, kind: &str, arguments: Value| json!({"vhost": "/", "name": name, "type": kind, "durable": true, "auto_delete": false, "arguments": arguments});
        json!({"exchanges": [
            exchange("d", "x-delayed-message", json!({"x-delayed-type": delayed})),
            exchange("h", "x-consistent-hash", json!({"hash-property": property})),
            exchange("x", "direct", json!({"hash-property": other, "x-delayed-type": other})),
        ]})
    };
    let broker = broker();
    import(&broker, &exchanges("direct", "message_id", "a").to_string()).unwrap();
    import(&broker, &exchanges("direct", "message_id", "b").to_string()).unwrap();
    assert_eq!(
        faults(&broker, &exchanges("fanout", "nope", "c")),
        [
            "$.exchanges[0].arguments.x-delayed-type: inequivalent arg 'x-delayed-type' for exchange \
             'd' in vhost '/': received 'fanout' but current is 'direct'",
            "$.exchanges[1].arguments.hash-property: inequivalent arg 'hash-property' for exchange \
             'h' in vhost '/': received 'nope' but current is 'message_id'",
        ]
    );
}

#[test]
fn what_a_file_says_does_nothing_to_a_terminal() {
    let name = "a\u{1b}[31m\r\nb";
    let file = json!({
        "permissions": [{"user": name, "vhost": "/", "configure": "", "write": "", "read": ""}],
    });
    let fault = "$.permissions[0].user: there is no user 'a\\u{1b}[31m\\r\\nb', neither here nor in \
                 the broker";
    assert_eq!(faults(&broker(), &file), [fault]);
    let error = import(&broker(), &file.to_string()).unwrap_err();
    assert!(error.to_string().ends_with(fault));
    let parameter = json!({"parameters": [{"vhost": "/", "component": name, "name": "n"}]});
    let warnings = import(&broker(), &parameter.to_string()).unwrap().warnings;
    assert!(warnings[0].to_string().contains("'a\\u{1b}[31m\\r\\nb'"), "{warnings:?}");
}
