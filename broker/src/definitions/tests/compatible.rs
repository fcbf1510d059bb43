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
