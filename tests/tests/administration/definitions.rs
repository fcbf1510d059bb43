//! Definitions from RabbitMQ to ours and back.

use serde_json::{Value, json};
use springhare_broker::{Broker, Permissions, User};
use springhare_tests::{RabbitMq, is_left_out};

/// One or more of everything that RabbitMQ exports, and an internal exchange, which it does not.
const EVERYTHING: &str = include_str!("everything.json");

/// What both say, without who says it, and in an order of its own.
fn essence(definitions: &str) -> Value {
    let mut definitions: Value = serde_json::from_str(definitions).unwrap();
    let parts = definitions.as_object_mut().unwrap();
    for about in ["rabbit_version", "rabbitmq_version", "product_name", "product_version"] {
        parts.remove(about);
    }
    // An id that each cluster makes for itself is none of the definitions.
    parts.retain(|_, part| part.is_array());
    for part in parts.values_mut() {
        part.as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    definitions
}

fn logs_in(rabbitmq: &RabbitMq, user: &str, password: &str) -> bool {
    let checked = rabbitmq.node().evaluate(&format!(
        "element(1, rabbit_access_control:check_user_login(<<\"{user}\">>, \
         [{{password, <<\"{password}\">>}}]))"
    ));
    checked.unwrap() == "ok"
}

#[tokio::test]
async fn definitions_go_to_ours_and_back() {
    if is_left_out() {
        return;
    }
    let first = RabbitMq::start().unwrap();
    first.node().import_definitions(EVERYTHING).unwrap();
    assert!(logs_in(&first, "alice", "secret"));
    let exported = first.node().export_definitions().unwrap();
    drop(first);

    let ours = Broker::builder().start().unwrap();
    let imported = ours.import_definitions(&exported).await.unwrap();
    // RabbitMQ does not export the internal exchange, but the binding to it; and a queue is neither
    // durable nor exclusive, which RabbitMQ 4.3 refuses.
    assert_eq!(imported.warnings.len(), 2, "{:?}", imported.warnings);
    let made = User::new("made", "by us").permissions("orders", Permissions::all());
    ours.set_user(made).await.unwrap();
    let back = ours.export_definitions();

    let second = RabbitMq::start().unwrap();
    second.node().import_definitions(&back).unwrap();
    assert!(logs_in(&second, "made", "by us") && !logs_in(&second, "made", "by them"));
    assert!(logs_in(&second, "alice", "secret"));
    let again = second.node().export_definitions().unwrap();
    drop(second);

    let (mut before, mut after) = (essence(&exported), essence(&again));
    let of_made = |entry: &Value| entry["name"] == "made" || entry["user"] == "made";
    for part in ["users", "permissions"] {
        after[part].as_array_mut().unwrap().retain(|entry| !of_made(entry));
    }
    let bindings = before["bindings"].as_array_mut().unwrap();
    bindings.retain(|binding| binding["destination"] != "internal");
    for part in before.as_object().unwrap().keys() {
        assert_eq!(after[part], before[part], "{part}");
    }
}

#[tokio::test]
async fn an_internal_exchange_goes_to_rabbitmq() {
    if is_left_out() {
        return;
    }
    let ours = Broker::builder().start().unwrap();
    ours.import_definitions(EVERYTHING).await.unwrap();
    let rabbitmq = RabbitMq::start().unwrap();
    rabbitmq.node().import_definitions(&ours.export_definitions()).unwrap();
    let bindings = essence(&rabbitmq.node().export_definitions().unwrap())["bindings"].take();
    let to_internal = json!({
        "source": "events", "vhost": "/", "destination": "internal",
        "destination_type": "exchange", "routing_key": "e", "arguments": {},
    });
    assert!(bindings.as_array().unwrap().contains(&to_internal), "{bindings}");
}
