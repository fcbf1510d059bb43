use std::sync::LazyLock;

use serde_json::Value;
use springhare::prelude::*;

use crate::{builder, description};

/// The columns of the line that begins so.
fn columns<'t>(table: &'t str, begin: &str) -> Vec<&'t str> {
    let line = table.lines().find(|line| line.starts_with(begin));
    let line = line.unwrap_or_else(|| panic!("no line begins with {begin}:\n{table}"));
    line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect()
}

#[test]
fn a_table_has_listeners_and_what_they_declare_with_their_places() {
    let table = description().to_string();
    let orders = columns(&table, "orders ");
    assert_eq!(orders[..6], ["orders", "d.orders, d.more orders", "Order", "auto", "10", "2"]);
    assert!(orders[6].starts_with("tests/tests/describe/main.rs:"), "{table}");
    let prices = columns(&table, "prices ");
    assert_eq!(prices[..6], ["prices", "d.prices", "str", "auto", "250", "1"]);
    assert_eq!(columns(&table, "batches ")[2], "Order");
    let anything = columns(&table, "every#\"one\" ");
    assert_eq!(anything[1], "(anonymous)");
    assert_eq!(anything[3], "none");
    assert_eq!(columns(&table, "d.dead ")[1], "durable, x-max-length = 10");
    assert_eq!(columns(&table, "d.shop ")[1], "topic, durable");
    assert_eq!(columns(&table, "queue d.orders ")[1], "exchange 'd.shop' key 'order.*'");
    assert!(!table.contains("spring.gen"), "no name of an anonymous queue: {table}");
}

#[test]
fn a_graph_leads_from_exchanges_over_queues_to_listeners() {
    let mermaid = description().mermaid();
    let node = |label: &str| {
        let line = mermaid.lines().find(|line| line.contains(label));
        let line = line.unwrap_or_else(|| panic!("no node has {label}:\n{mermaid}")).trim();
        line[..line.find(['[', '{']).unwrap()].to_owned()
    };
    let (shop, orders) = (node("d.shop<br/>topic"), node("\"d.orders\""));
    let (dead, answers) = (node("\"d.dead\""), node("d.answers<br/>direct"));
    let listener = node("orders<br/>tests/tests/describe/main.rs:");
    let prices = node("prices<br/>");
    let anything = node("every#35;#quot;one#quot;<br/>");
    let anonymous = node("(anonymous)");
    for edge in [
        format!("{shop} -->|\"order.*\"| {orders}"),
        format!("{shop} -->|\"#35;\"| {anonymous}"),
        format!("{orders} --> {listener}"),
        format!("{anonymous} --> {anything}"),
        format!("{orders} -.->|\"dead letters\"| {dead}"),
        format!("{prices} -.->|\"replies\"| {answers}"),
    ] {
        assert!(mermaid.lines().any(|line| line.trim() == edge), "{edge}:\n{mermaid}");
    }
    assert!(mermaid.starts_with("flowchart LR\n"));
}

/// AsyncAPI's own schema; to read it takes a while.
static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = include_str!("../../data/asyncapi-3.0.0.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

fn complaints(document: &Value) -> Vec<String> {
    SCHEMA
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn a_document_is_valid_asyncapi() {
    let document = description().asyncapi("Shop", "1.2.0");
    assert_eq!(complaints(&document), [""; 0], "{document:#}");
    let nothing = Springhare::builder().listeners(listeners![]).describe().unwrap();
    assert_eq!(complaints(&nothing.asyncapi("Shop", "1.2.0")), [""; 0]);
}

#[test]
fn a_document_that_is_not_valid_would_be_found_out() {
    let whole = description().asyncapi("Shop", "1.2.0");
    for (pointer, value) in [
        ("/operations/orders/action", Value::from("take")),
        ("/operations/orders/channel", Value::Null),
        ("/channels/d.orders/bindings/amqp/is", Value::from("list")),
        ("/info/title", Value::from(1)),
    ] {
        let mut document = whole.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        assert!(!complaints(&document).is_empty(), "{pointer}");
    }
}

#[test]
fn every_reference_of_a_document_leads_somewhere() {
    fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = description().asyncapi("Shop", "1.2.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 8, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}: {document:#}");
    }
}

#[test]
fn a_document_says_what_each_listener_takes() {
    let document = description().asyncapi("Shop", "1.2.0");
    let orders = &document["operations"]["orders"];
    assert_eq!(orders["summary"], "Fulfils what was ordered.");
    let description = orders["description"].as_str().unwrap();
    assert!(
        description.starts_with("It asks the shelf first.\n\nHandled at tests/"),
        "{description}"
    );
    assert_eq!(orders["tags"][0]["name"], "shop");
    assert_eq!(orders["channel"]["$ref"], "#/channels/d.orders");
    let more = &document["operations"]["orders-d.more orders"];
    assert_eq!(more["channel"]["$ref"], "#/channels/d.more_orders");
    assert_eq!(document["channels"]["d.more_orders"]["address"], "d.more orders");
    let channel = &document["channels"]["d.orders"];
    assert_eq!(channel["messages"]["Order"]["contentType"], "application/json");
    assert_eq!(channel["bindings"]["amqp"]["queue"]["durable"], true);
    assert_eq!(document["channels"]["anonymous"]["address"], Value::Null);
    assert_eq!(document["operations"]["every#\"one\""]["bindings"]["amqp"]["ack"], false);
    let reply = document["operations"]["prices"]["reply"]["channel"]["$ref"].as_str().unwrap();
    assert_eq!(document.pointer(&reply[1..]).unwrap()["address"], "priced");
}

#[test]
fn a_message_has_the_schema_of_its_type_where_that_has_one() {
    let document = description().asyncapi("Shop", "1.2.0");
    for channel in ["d.orders", "d.more_orders", "d.batches"] {
        let payload = &document["channels"][channel]["messages"]["Order"]["payload"];
        assert_eq!(payload["$ref"], "#/components/schemas/Order", "{channel}: {document:#}");
    }
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Order"]["description"], "An order.");
    assert_eq!(
        schemas["Order"]["properties"]["items"]["items"]["$ref"],
        "#/components/schemas/Item"
    );
    assert_eq!(schemas["Item"]["required"], serde_json::json!(["name"]));
    let plain = &document["channels"]["d.plain"]["messages"]["Plain"]["payload"];
    assert_eq!(*plain, serde_json::json!({}), "what has none allows everything");
    // Payloads that the schema takes, and that it does not.
    let mut whole = schemas["Order"].clone();
    whole["components"] = document["components"].clone();
    let validator = jsonschema::draft7::new(&whole).unwrap();
    let item = serde_json::json!({ "name": "tea", "instead": { "name": "milk" } });
    assert!(validator.is_valid(&serde_json::json!({ "id": 1, "items": [item] })));
    assert!(!validator.is_valid(&serde_json::json!({ "id": 1, "items": [{ "name": 5 }] })));
}

#[tokio::test]
async fn an_application_that_runs_describes_itself_alike() {
    let app = builder().start().await.unwrap();
    // Anonymous queues have another name each time, and none of them is shown.
    assert_eq!(app.describe().to_string(), description().to_string());
    app.stop().await.unwrap();
}

#[test]
fn what_can_not_start_can_not_be_described() {
    let twice = [listeners![crate::fulfil], listeners![crate::fulfil]].concat();
    let error = Springhare::builder().listeners(twice).describe().unwrap_err();
    assert!(error.to_string().contains("two listeners have the id `orders`"), "{error}");
}
