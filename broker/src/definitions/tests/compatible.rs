//! Files of other brokers, and of hands.

use super::*;

fn warnings(broker: &Arc<BrokerCell>, definitions: &Value) -> Vec<String> {
    let imported = import(broker, &definitions.to_string()).unwrap();
    imported.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_plugin_says_in_a_policy_is_left_out() {
    let policy = |name: &str, definition: Value| json!({"vhost": "/", "name": name, "pattern": "^q", "definition": definition});
    let file = json!({"policies": [
        policy("both", json!({"federation-upstream-set": "all", "max-length": 5})),
        policy("only", json!({"federation-upstream": "other"})),
    ]});
    let broker = broker();
    assert_eq!(
        warnings(&broker, &file),
        [
            "$.policies[0].definition.federation-upstream-set: this is for a plugin that is not \
             here: left out",
            "$.policies[1].definition.federation-upstream: this is for a plugin that is not here: \
             left out",
            "$.policies[1]: this policy says nothing else: left out",
        ]
    );
    let exported = value(&export(&broker));
    assert_eq!(exported["policies"].as_array().unwrap().len(), 1);
    assert_eq!(exported["policies"][0]["definition"], json!({"max-length": 5}));
}

#[test]
fn limits_may_stand_at_their_virtual_host() {
    let host = json!([{"name": "v", "limits": {"max-queues": 1}}]);
    let broker = broker();
    let limit = || broker.virtual_hosts()["v"].limits().max_queues;
    assert!(warnings(&broker, &json!({"vhosts": host})).is_empty());
    assert_eq!(limit(), Some(1));
    let parameter = json!([
        {"vhost": "v", "component": "vhost-limits", "name": "limits", "value": {"max-queues": 2}},
    ]);
    import(&broker, &json!({"vhosts": host, "parameters": parameter}).to_string()).unwrap();
    assert_eq!(limit(), Some(2), "the parameter is what RabbitMQ reads");
    for none in [json!({}), json!([])] {
        import(&broker, &json!({"vhosts": [{"name": "v", "limits": none}]}).to_string()).unwrap();
        assert_eq!(limit(), Some(2));
    }
    assert_eq!(
        faults(&broker, &json!({"vhosts": [{"name": "v", "limits": {"max-queues": "many"}}]})),
        ["$.vhosts[0].limits.max-queues: expected a whole number, found a string"]
    );
}

#[test]
fn names_have_no_line_ends_and_a_file_no_mark() {
    let file = json!({
        "exchanges": [{"vhost": "/", "name": "x\r\n", "type": "direct", "durable": true,
                       "auto_delete": false}],
        "queues": [{"vhost": "/", "name": "q\n", "durable": true, "auto_delete": false}],
        "bindings": [{"vhost": "/", "source": "x\n", "destination": "q\n",
                      "destination_type": "queue", "routing_key": "k\n"}],
    });
    let broker = broker();
    import(&broker, &format!("\u{feff}{file}")).unwrap();
    let topology = broker.virtual_hosts()["/"].topology();
    assert!(topology.queue("q").is_some() && topology.exchange("x").is_some());
    let binding = topology.bindings().next().unwrap();
    assert_eq!((&**binding.source(), &**binding.routing_key()), ("x", "k\n"));
}

#[test]
fn a_virtual_host_keeps_what_the_file_does_not_say() {
    let broker = broker();
    let hosts = |entry: Value| json!({"vhosts": [entry]}).to_string();
    let metadata =
        json!({"description": "Orders", "tags": ["a", "b"], "default_queue_type": "quorum"});
    import(&broker, &hosts(json!({"name": "v", "metadata": metadata}))).unwrap();
    let options = || broker.virtual_hosts()["v"].options();
    let before = options();
    import(&broker, &hosts(json!({"name": "v"}))).unwrap();
    assert_eq!(options(), before);
    import(&broker, &hosts(json!({"name": "v", "metadata": {"description": "", "tags": []}})))
        .unwrap();
    let queue_type = before.default_queue_type;
    let nothing = VirtualHostOptions::default();
    assert_eq!(*options(), VirtualHostOptions { default_queue_type: queue_type, ..nothing });
}

#[test]
fn what_moves_to_rabbitmq_finds_out_about_queues_too() {
    let file = json!({
        "queues": [{"vhost": "/", "name": "q", "durable": false, "auto_delete": false}],
        "policies": [{"vhost": "/", "name": "p", "pattern": "", "definition": {"queue-version": 1}}],
        "bindings": [{"vhost": "/", "source": "amq.topic", "destination": "q",
                      "destination_type": "queue", "routing_key": "#.a.#.b.#"}],
    });
    let warnings = warnings(&broker(), &file);
    assert_eq!(
        warnings,
        [
            "$.policies[0]: RabbitMQ 4.3 has one version of classic queues only, the second \
             (x-queue-version): leave it out",
            "$.queues[0]: RabbitMQ 4.3 refuses queues that are neither durable nor exclusive: \
             declare it durable, or exclusive if it belongs to one connection",
            "$.bindings[0]: RabbitMQ 4.3 takes two '#' in the binding key of a topic exchange at \
             most: make several bindings, or look at the rest in the consumer",
        ]
    );
}

#[test]
fn very_many_warnings_are_counted() {
    let file: serde_json::Map<_, _> = (0..103).map(|part| (part.to_string(), json!([]))).collect();
    let warnings = warnings(&broker(), &file.into());
    assert_eq!((warnings.len(), &*warnings[100]), (101, "$: and 3 warnings more"));
}
