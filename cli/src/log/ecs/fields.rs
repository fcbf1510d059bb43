use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use serde_json::Value;
use tracing::field::{Field, Visit};

/// The schema's field sets whose names may stand in a line. All else is a label, so that no name
/// of ours takes another meaning, or another type, in an index.
pub(super) const FIELD_SETS: [&str; 9] = [
    "client.",
    "destination.",
    "error.",
    "event.",
    "network.",
    "server.",
    "source.",
    "tls.",
    "user.",
];

/// Names of the field sets that every line has already.
const TAKEN: [&str; 1] = ["event.dataset"];

/// The longest value, in bytes; what is longer is cut. Parts of it come from clients.
pub(super) const VALUE_BYTES_MAX: usize = 8 << 10;

/// The fields of a span or an event, by their names in the schema.
#[derive(Debug, Default)]
pub(super) struct Fields {
    message: String,
    named: BTreeMap<String, Value>,
}

impl Fields {
    /// Adds those of a span further inside.
    pub(super) fn extend(&mut self, inner: &Self) {
        let fields = inner.named.iter().map(|(name, value)| (name.clone(), value.clone()));
        self.named.extend(fields);
    }

    /// The message and all else.
    pub(super) fn into_parts(self) -> (String, BTreeMap<String, Value>) {
        (self.message, self.named)
    }

    /// Takes apart what the broker logs as `peer`, both ends of a connection in RabbitMQ's form:
    /// `10.0.0.7:40000 -> 10.0.0.1:5672`.
    fn insert_peer(&mut self, text: &str) -> Option<()> {
        let (client, server) = text.split_once(" -> ")?;
        let (client, server) = (client.parse::<SocketAddr>(), server.parse::<SocketAddr>());
        for (set, address) in [("client", client.ok()?), ("server", server.ok()?)] {
            self.named.insert(format!("{set}.ip"), Value::from(address.ip().to_string()));
            self.named.insert(format!("{set}.port"), Value::from(address.port()));
        }
        Some(())
    }

    fn insert(&mut self, field: &Field, value: Value) {
        if let ("peer", Value::String(text)) = (field.name(), &value)
            && self.insert_peer(text).is_some()
        {
            return;
        }
        let name = schema_name(field.name());
        // The schema's labels are texts, whatever they count.
        let value = match value {
            Value::String(text) => Value::String(text),
            other if name.starts_with("labels.") => Value::String(other.to_string()),
            other => other,
        };
        self.named.insert(name, value);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = Text::default();
        // Only a text that is full refuses more.
        let _ = write!(text, "{value}");
        let mut source = value.source();
        while let Some(cause) = source {
            let words = cause.to_string();
            // Many errors have their cause's words in their own.
            if !text.0.ends_with(&words) {
                let _ = write!(text, ": {words}");
            }
            source = cause.source();
        }
        self.insert(field, Value::String(text.0));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Text::default();
        // Only a text that is full refuses more.
        let _ = write!(text, "{value:?}");
        if field.name() == "message" {
            self.message = text.0;
        } else {
            self.insert(field, Value::String(text.0));
        }
    }
}

/// The name of a field in the schema.
fn schema_name(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    match name {
        "error" | "err" => "error.message".to_owned(),
        "user" => "user.name".to_owned(),
        _ if TAKEN.contains(&name) => label(name),
        _ if FIELD_SETS.iter().any(|set| name.starts_with(set)) => name.to_owned(),
        _ => label(name),
    }
}

/// Labels do not nest: a dot would begin an object.
fn label(name: &str) -> String {
    format!("labels.{}", name.replace('.', "_"))
}

/// A text that takes no more than [`VALUE_BYTES_MAX`].
#[derive(Default)]
struct Text(String);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Some(room) = VALUE_BYTES_MAX.checked_sub(self.0.len()) else {
            return Err(fmt::Error);
        };
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let fitting = text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= room);
        self.0.extend(fitting.map(|(_, c)| c));
        self.0.push_str("...");
        Err(fmt::Error)
    }
}
