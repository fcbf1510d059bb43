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
