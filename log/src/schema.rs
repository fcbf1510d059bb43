//! The schema's names: which a field of a program may take, and what an index wants in it.

use std::net::IpAddr;

use serde_json::Value;

/// What an index wants in a field.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Text,
    /// A whole number.
    Number,
    Address,
    Truth,
}

/// What both ends of a connection have.
const ENDS: [&str; 4] = ["client.", "destination.", "server.", "source."];

/// The fields of an end.
const OF_AN_END: [(Kind, &[&str]); 3] = [
    (Kind::Text, &["address", "domain", "mac", "registered_domain", "subdomain", "user.name"]),
    (Kind::Number, &["bytes", "packets", "port", "nat.port"]),
    (Kind::Address, &["ip", "nat.ip"]),
];

/// The fields of the schema that a program may write, by what begins them; those are named that hold
/// a value and no object. All else is a label, so that no name of a program takes another meaning, or
/// another type, in an index. Dates are left out: what a program calls one may be anything.
const FIELDS: [(&str, Kind, &[&str]); 30] = [
    ("", Kind::Text, &["trace.id", "span.id", "transaction.id"]),
    ("cloud.", Kind::Text, &["availability_zone", "provider", "region", "service.name"]),
    ("cloud.", Kind::Text, &["account.id", "account.name", "instance.id", "instance.name"]),
    ("cloud.", Kind::Text, &["machine.type", "project.id", "project.name"]),
    ("container.", Kind::Text, &["id", "image.name", "image.tag", "name", "runtime"]),
    ("dns.", Kind::Text, &["id", "op_code", "response_code", "type"]),
    ("dns.question.", Kind::Text, &["class", "name", "type"]),
    ("error.", Kind::Text, &["code", "id", "message", "stack_trace", "type"]),
    (
        "event.",
        Kind::Text,
        &["action", "category", "code", "hash", "id", "kind", "module", "original"],
    ),
    (
        "event.",
        Kind::Text,
        &["outcome", "provider", "reason", "reference", "timezone", "type", "url"],
    ),
    ("event.", Kind::Number, &["duration", "sequence", "severity"]),
    (
        "file.",
        Kind::Text,
        &["device", "directory", "extension", "gid", "group", "inode", "mime_type"],
    ),
    ("file.", Kind::Text, &["mode", "name", "owner", "path", "type", "uid"]),
    ("file.", Kind::Number, &["size"]),
    ("host.", Kind::Text, &["architecture", "domain", "hostname", "id", "mac", "name", "type"]),
    ("host.", Kind::Address, &["ip"]),
    ("host.", Kind::Number, &["uptime"]),
    ("http.", Kind::Text, &["version", "request.id", "request.method", "request.mime_type"]),
    ("http.", Kind::Text, &["request.referrer", "response.mime_type"]),
    ("http.", Kind::Number, &["request.bytes", "response.bytes", "response.status_code"]),
    (
        "network.",
        Kind::Text,
        &["application", "direction", "name", "protocol", "transport", "type"],
    ),
    ("network.", Kind::Number, &["bytes", "packets"]),
    ("organization.", Kind::Text, &["id", "name"]),
    ("tls.", Kind::Text, &["cipher", "curve", "next_protocol", "version", "version_protocol"]),
    ("tls.", Kind::Truth, &["established", "resumed"]),
    ("url.", Kind::Text, &["domain", "extension", "fragment", "full", "original", "path", "query"]),
    ("url.", Kind::Text, &["registered_domain", "scheme", "subdomain", "username"]),
    ("url.", Kind::Number, &["port"]),
    ("user.", Kind::Text, &["domain", "email", "full_name", "hash", "id", "name", "roles"]),
    ("user_agent.", Kind::Text, &["name", "original", "version"]),
];

/// What is no label's name of its own is one here: `labels.queue` is not `labels.labels_queue`.
const LABELS: &str = "labels.";

/// The name and the value of a field in the schema.
pub(crate) fn entry(name: &str, value: Value) -> (String, Value) {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let schema_name = match name {
        "error" | "err" => "error.message",
        "user" => "user.name",
        name => name,
    };
    if kind_of(schema_name).is_some_and(|kind| fits(kind, &value)) {
        return (schema_name.to_owned(), value);
    }
    // The schema's labels are texts, whatever they count.
    let text = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    (label(name), Value::String(text))
}

/// What an index wants under this name; none if a program does not write it.
fn kind_of(name: &str) -> Option<Kind> {
    let of_an_end = ENDS.iter().find_map(|end| name.strip_prefix(end)).and_then(|leaf| {
        OF_AN_END.iter().find(|(_, leaves)| leaves.contains(&leaf)).map(|(kind, _)| *kind)
    });
    of_an_end.or_else(|| {
        let is_named = |(set, _, leaves): &&(&str, Kind, &[&str])| {
            name.strip_prefix(set).is_some_and(|leaf| leaves.contains(&leaf))
        };
        FIELDS.iter().find(is_named).map(|(_, kind, _)| *kind)
    })
}

/// Whether an index takes this value. One that it does not would cost the line.
fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Text => value.is_string(),
        Kind::Number => value.is_i64() || value.is_u64(),
        Kind::Address => value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        Kind::Truth => value.is_boolean(),
    }
}

/// Labels do not nest: a dot would begin an object.
fn label(name: &str) -> String {
    let name = name.strip_prefix(LABELS).unwrap_or(name);
    format!("{LABELS}{}", name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_schema_takes_what_an_index_takes() {
        let (name, value) = entry("event.duration", Value::from(1_500_000));
        assert_eq!((&*name, value), ("event.duration", Value::from(1_500_000)));
        let (name, value) = entry("event.duration", Value::from("1.5ms"));
        assert_eq!((&*name, value), ("labels.event_duration", Value::from("1.5ms")));
        assert_eq!(entry("client.ip", Value::from("::1")).0, "client.ip");
        assert_eq!(entry("client.ip", Value::from("somebody")).0, "labels.client_ip");
        assert_eq!(entry("http.response.status_code", Value::from("OK")).0.split('.').count(), 2);
    }

    #[test]
    fn an_object_a_date_and_a_name_of_ones_own_are_labels() {
        for name in ["http.request", "host.os", "event.created", "event.foo", "event.dataset"] {
            let expected = format!("labels.{}", name.replace('.', "_"));
            assert_eq!(entry(name, Value::from("GET /")).0, expected);
        }
        assert_eq!(entry("tls.established", Value::from(true)).0, "tls.established");
        assert_eq!(entry("tls.established", Value::from("yes")).0, "labels.tls_established");
        assert_eq!(entry("http.request.method", Value::from("GET")).0, "http.request.method");
    }

    #[test]
    fn what_is_called_a_label_is_one() {
        let (name, value) = entry("labels.order.id", Value::from(7));
        assert_eq!((&*name, value), ("labels.order_id", Value::from("7")));
    }
}
