use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use serde_json::Value;
use tracing::field::{Field, Visit};

use crate::schema;
use crate::trace::trace_of;

/// The longest value, in bytes; what is longer is cut, since parts of it come from others.
pub const VALUE_BYTES_MAX: usize = 8 << 10;

/// How many causes of an error are told.
const CAUSES_MAX: usize = 64;

/// How many fields of its own and of its spans a line has at most; more are left out. What every line
/// has is not counted.
pub const FIELDS_MAX: usize = 256;

/// The fields of a span or an event, by their names in the schema.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    message: String,
    named: BTreeMap<String, Value>,
}

impl Fields {
    /// What is told of a failure beside all subscribers.
    pub(crate) fn of_failure(message: &str, error: &dyn fmt::Display) -> Self {
        let mut fields = Self { message: message.to_owned(), ..Self::default() };
        let mut text = Text::default();
        // Only a text that is full refuses more.
        let _ = write!(text, "{error}");
        fields.set("error.message", Value::String(text.0));
        fields.set("event.outcome", Value::from("failure"));
        fields
    }

    /// Adds those of a span further inside, or what became known of it later.
    pub(crate) fn extend(&mut self, inner: &Self) {
        inner.named.iter().for_each(|(name, value)| self.set(name, value.clone()));
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn named(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.named.iter().map(|(name, value)| (&**name, value))
    }

    /// Gives a name of the schema this value.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        if let Some(known) = self.named.get_mut(name) {
            *known = value;
        } else if self.named.len() < FIELDS_MAX {
            self.named.insert(name.to_owned(), value);
        }
    }

    /// Takes apart what the broker logs as `peer`, both ends of a connection in RabbitMQ's form:
    /// `10.0.0.7:40000 -> 10.0.0.1:5672`.
    fn insert_peer(&mut self, text: &str) -> Option<()> {
        let (client, server) = text.split_once(" -> ")?;
        let (client, server) = (client.parse::<SocketAddr>(), server.parse::<SocketAddr>());
        for (set, address) in [("client", client.ok()?), ("server", server.ok()?)] {
            self.set(&format!("{set}.ip"), Value::from(address.ip().to_string()));
            self.set(&format!("{set}.port"), Value::from(address.port()));
        }
        Some(())
    }

    fn insert(&mut self, field: &Field, value: Value) {
        if let Value::String(text) = &value {
            let is_told = match field.name() {
                "peer" => self.insert_peer(text).is_some(),
                "traceparent" => self.insert_trace(text).is_some(),
                _ => false,
            };
            if is_told {
                return;
            }
        }
        let (name, value) = schema::entry(field.name(), value);
        self.set(&name, value);
    }

    /// The trace that the W3C's header says; its span is another one's.
    fn insert_trace(&mut self, traceparent: &str) -> Option<()> {
        let trace = trace_of(traceparent)?.to_owned();
        self.set("trace.id", Value::String(trace));
        Some(())
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

    /// What fits is a number: nanoseconds are counted with 128 bits.
    fn record_i128(&mut self, field: &Field, value: i128) {
        match i64::try_from(value) {
            Ok(value) => self.record_i64(field, value),
            Err(_) => self.record_debug(field, &value),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match u64::try_from(value) {
            Ok(value) => self.record_u64(field, value),
            Err(_) => self.record_debug(field, &value),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.insert(field, Value::String(with_causes(value)));
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

/// The words of an error, and those of its causes.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = Text::default();
    // Only a text that is full refuses more.
    let _ = write!(text, "{error}");
    let mut source = error.source();
    let mut causes = 0;
    while let Some(cause) = source.filter(|_| causes < CAUSES_MAX) {
        let words = cause.to_string();
        // Many errors have their cause's words in their own.
        if !text.0.ends_with(&words) {
            let _ = write!(text, ": {words}");
        }
        source = cause.source();
        causes += 1;
    }
    text.0
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
