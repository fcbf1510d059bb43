use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use super::{Description, payload_of};
use crate::graph::QueueNode;
use crate::listener::endpoint::AcknowledgeMode;
use crate::listener::plan::ListenerPlan;

/// The version of AsyncAPI that is written.
const ASYNCAPI: &str = "3.0.0";

impl Description {
    /// An [AsyncAPI](https://www.asyncapi.com) 3 document: a channel for each queue that is consumed
    /// from and each destination of replies, an operation for each listener.
    ///
    /// A message has its type's name and its content type; with the feature `schemars` also the schema of
    /// a type that is a `JsonSchema`, a reference into the document's `components`.
    #[must_use]
    pub fn asyncapi(&self, title: &str, version: &str) -> Value {
        let mut channels = Channels::default();
        let mut operations = Map::new();
        let mut servers = Map::new();
        for description in self.brokers() {
            if !self.others.is_empty() {
                let server = key_of(&description.broker);
                servers.insert(server.clone(), server_of(&description.broker));
                channels.server = Some(server);
            }
            description.add_to(&mut channels, &mut operations);
        }
        let mut document = json!({
            "asyncapi": ASYNCAPI,
            "info": { "title": title, "version": version },
            "defaultContentType": "application/json",
            "channels": channels.channels,
            "operations": operations,
        });
        if !servers.is_empty() {
            set(&mut document, "servers", Value::Object(servers));
        }
        if let Some(schemas) = channels.schemas.into_definitions() {
            set(&mut document, "components", json!({ "schemas": schemas }));
        }
        document
    }

    fn add_to(&self, channels: &mut Channels, operations: &mut Map<String, Value>) {
        for plan in &self.listeners {
            // One operation has one channel; a listener of several queues has several.
            for (number, queue) in plan.queues.iter().enumerate() {
                let channel = channels.queue(self, queue);
                let name =
                    if number == 0 { plan.id.to_string() } else { format!("{}-{queue}", plan.id) };
                operations.insert(name, self.operation(plan, &channel, channels));
            }
        }
    }

    fn operation(&self, plan: &ListenerPlan, channel: &str, channels: &mut Channels) -> Value {
        let reference = json!({ "$ref": format!("#/channels/{channel}") });
        let ack = plan.acknowledge != AcknowledgeMode::None;
        let mut operation = json!({
            "action": "receive",
            "channel": reference,
            "bindings": { "amqp": { "ack": ack } },
        });
        if let Some(message) = message_of(plan, &mut channels.schemas) {
            let name = channels.message(channel, &message);
            let message = format!("#/channels/{channel}/messages/{name}");
            set(&mut operation, "messages", json!([{ "$ref": message }]));
        }
        let (summary, description) = split(plan.function.docs);
        if !summary.is_empty() {
            set(&mut operation, "summary", json!(summary));
        }
        let place = format!("{}:{}", plan.origin.file, plan.origin.line);
        let description = [description, &format!("Handled at {place}.")].join("\n\n");
        set(&mut operation, "description", json!(description.trim()));
        if let Some(group) = &plan.group {
            set(&mut operation, "tags", json!([{ "name": group }]));
        }
        if let Some((exchange, key)) = &plan.reply.send_to {
            let replies = channels.destination(self, exchange, key);
            let reply = json!({
                "address": { "location": "$message.header#/replyTo" },
                "channel": { "$ref": format!("#/channels/{replies}") },
            });
            set(&mut operation, "reply", reply);
        }
        operation
    }
}

/// Where it is, is said by who runs the application.
fn server_of(broker: &str) -> Value {
    json!({
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "variables": { "host": { "description": format!("Where the broker `{broker}` is.") } },
    })
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

/// The message that a listener takes, and its name; none if it takes none by a type.
fn message_of(plan: &ListenerPlan, schemas: &mut Schemas) -> Option<(String, Value)> {
    let payload = payload_of(plan)?;
    let message = json!({
        "name": payload.name,
        "title": payload.name,
        "contentType": payload.content_type,
        "payload": schemas.payload_of(plan),
    });
    Some((key_of(&payload.name), message))
}

/// The first paragraph, and the rest.
fn split(docs: &str) -> (&str, &str) {
    let (summary, rest) = docs.split_once("\n\n").unwrap_or((docs, ""));
    (summary.trim(), rest.trim())
}

/// A name as a key that a reference can hold without an escape.
fn key_of(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let key: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if key.is_empty() { "_".to_owned() } else { key }
}

/// The name, then the same with numbers.
fn numbered(name: &str) -> impl Iterator<Item = String> {
    std::iter::once(name.to_owned())
        .chain((2..).map(move |number: usize| format!("{name}-{number}")))
}

/// The channels so far.
#[derive(Default)]
struct Channels {
    channels: Map<String, Value>,
    /// Whose they are: kind and name, with their key.
    known: Vec<(String, String)>,
    taken: BTreeSet<String>,
    /// The broker that they are of, where there are several.
    server: Option<String>,
    schemas: Schemas,
}

impl Channels {
    fn queue(&mut self, description: &Description, queue: &str) -> String {
        let node = description.queues.iter().find(|node| node.name == *queue);
        let is_anonymous = node.is_some_and(QueueNode::is_anonymous);
        let shown = if is_anonymous { "anonymous" } else { queue };
        let mut is = json!({ "name": shown });
        if let Some(node) = node {
            set(&mut is, "durable", json!(node.options.durable));
            set(&mut is, "exclusive", json!(node.options.exclusive));
            set(&mut is, "autoDelete", json!(node.options.auto_delete));
        }
        let address = if is_anonymous { Value::Null } else { json!(queue) };
        self.channel(&format!("queue {queue}"), shown, || {
            json!({
                "address": address,
                "messages": {},
                "bindings": { "amqp": { "is": "queue", "queue": is } },
            })
        })
    }

    /// Where replies go: an exchange with a key, or a queue by the default exchange.
    fn destination(&mut self, description: &Description, exchange: &str, key: &str) -> String {
        if exchange.is_empty() {
            return self.queue(description, key);
        }
        let node = description.exchanges.iter().find(|node| node.name == *exchange);
        let mut is = json!({ "name": exchange });
        if let Some(node) = node {
            // The document knows these types alone.
            if ["topic", "direct", "fanout", "headers"].contains(&&*node.kind) {
                set(&mut is, "type", json!(node.kind));
            }
            set(&mut is, "durable", json!(node.options.durable));
            set(&mut is, "autoDelete", json!(node.options.auto_delete));
        }
        let name = format!("{exchange}-{key}");
        self.channel(&format!("exchange {exchange} {key}"), &name, || {
            json!({
                "address": key,
                "bindings": { "amqp": { "is": "routingKey", "exchange": is } },
            })
        })
    }

    fn channel(&mut self, whose: &str, name: &str, make: impl FnOnce() -> Value) -> String {
        let whose = &match &self.server {
            Some(server) => format!("{server} {whose}"),
            None => whose.to_owned(),
        };
        if let Some((_, key)) = self.known.iter().find(|(known, _)| known == whose) {
            return key.clone();
        }
        let wanted = key_of(name);
        let free = numbered(&wanted).find(|key| !self.taken.contains(key));
        let key = free.unwrap_or(wanted);
        self.taken.insert(key.clone());
        self.known.push((whose.to_owned(), key.clone()));
        let mut channel = make();
        if let Some(server) = &self.server {
            set(&mut channel, "servers", json!([{ "$ref": format!("#/servers/{server}") }]));
        }
        self.channels.insert(key.clone(), channel);
        key
    }

    /// Adds a message to a channel, and says its name there: two types of one name are two messages.
    fn message(&mut self, channel: &str, (name, message): &(String, Value)) -> String {
        let channel = self.channels.get_mut(channel);
        let Some(Value::Object(messages)) = channel.and_then(|all| all.get_mut("messages")) else {
            return name.clone();
        };
        let is_free = |key: &String| messages.get(key).is_none_or(|known| known == message);
        let key = numbered(name).find(is_free).unwrap_or_else(|| name.clone());
        messages.insert(key.clone(), message.clone());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_types_of_one_name_are_two_messages_of_their_channel() {
        let mut channels = Channels::default();
        let channel = channels.channel("queue q", "q", || json!({ "messages": {} }));
        let message = |content_type: &str| {
            ("Order".to_owned(), json!({ "name": "Order", "contentType": content_type }))
        };
        let (text, binary) = (message("application/json"), message("application/x-protobuf"));
        assert_eq!(channels.message(&channel, &text), "Order");
        assert_eq!(channels.message(&channel, &binary), "Order-2");
        assert_eq!(channels.message(&channel, &text), "Order", "it is the same");
        assert_eq!(channels.channels["q"]["messages"]["Order"], text.1);
        assert_eq!(channels.channels["q"]["messages"]["Order-2"], binary.1);
    }
}
