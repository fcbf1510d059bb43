//! The schema's names: which a field of a program may take, and what an index wants in it.

use std::net::IpAddr;

use serde_json::Value;

/// The schema's field sets whose names may stand in a line. All else is a label, so that no name
/// of a program takes another meaning, or another type, in an index.
const FIELD_SETS: [&str; 18] = [
    "client.",
    "cloud.",
    "container.",
    "destination.",
    "dns.",
    "error.",
    "event.",
    "file.",
    "host.",
    "http.",
    "network.",
    "organization.",
    "server.",
    "source.",
    "tls.",
    "url.",
    "user.",
    "user_agent.",
];

/// Names of those sets, and of none, that mean what they mean in the schema.
const TRACE: [&str; 3] = ["trace.id", "span.id", "transaction.id"];

/// Names of the field sets that every line has already.
const TAKEN: [&str; 1] = ["event.dataset"];

/// What ends a name whose value is a whole number.
const NUMBERS: [&str; 10] = [
    ".bytes",
    ".code_signature.flags",
    ".duration",
    ".number",
    ".packets",
    ".port",
    ".sequence",
    ".severity",
    ".size",
    ".status_code",
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
    if is_ours_to_write(schema_name) && fits(schema_name, &value) {
        return (schema_name.to_owned(), value);
    }
    // The schema's labels are texts, whatever they count.
    let text = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    (label(name), Value::String(text))
}

fn is_ours_to_write(name: &str) -> bool {
    let is_of_a_set = FIELD_SETS.iter().any(|set| name.starts_with(set)) || TRACE.contains(&name);
    is_of_a_set && !TAKEN.contains(&name)
}

/// Whether an index takes this value under this name. One that it does not would cost the line.
fn fits(name: &str, value: &Value) -> bool {
    if NUMBERS.iter().any(|end| name.ends_with(end)) {
        return value.is_i64() || value.is_u64();
    }
    if name.ends_with(".ip") {
        return value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok());
    }
    true
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
    fn what_is_called_a_label_is_one() {
        let (name, value) = entry("labels.order.id", Value::from(7));
        assert_eq!((&*name, value), ("labels.order_id", Value::from("7")));
    }
}
