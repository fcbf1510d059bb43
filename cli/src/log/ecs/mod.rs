//! Lines for machines: one JSON object each, with the names of the Elastic Common Schema.
//!
//! A field whose name stands in one of the schema's field sets ([`fields::FIELD_SETS`]) keeps
//! it; `error`, `user` and `peer`, which the broker logs, have names there; every other is a
//! label, `labels.<name>`. The fields of the spans around an event are in its line, and the inner
//! ones win.

mod fields;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use self::fields::Fields;
use crate::error::ServeError;

/// The schema's version that the names are taken from.
const ECS_VERSION: &str = "8.11.0";

/// `service.name` and `event.dataset`.
const SERVICE: &str = "springhare";

/// Writes each event as a line of JSON.
#[derive(Debug)]
pub(super) struct EcsLayer<W> {
    writer: W,
}

impl<W> EcsLayer<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer }
    }
}

impl<S, W> Layer<S> for EcsLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.extend(of_span);
            }
        }
        event.record(&mut fields);
        let (message, named) = fields.into_parts();
        let metadata = event.metadata();
        let line = Line {
            level: level_name(*metadata.level()),
            message: &message,
            logger: metadata.target(),
            fields: &named,
        };
        // A log that can't be written has nowhere to say so.
        let _ = self.writer.make_writer_for(metadata).write_all(line.to_string().as_bytes());
    }
}

/// The last line of a process that ends with an error.
pub(super) fn failure(error: &ServeError) -> String {
    let fields = BTreeMap::from([
        ("error.message".into(), Value::from(error.to_string())),
        ("event.outcome".into(), Value::from("failure")),
    ]);
    let line = Line { level: "error", message: "not served", logger: SERVICE, fields: &fields };
    line.to_string()
}

/// One line, without the time at which it is written.
struct Line<'a> {
    level: &'static str,
    message: &'a str,
    logger: &'a str,
    fields: &'a BTreeMap<String, Value>,
}

impl Serialize for Line<'_> {
    /// Time, level and message first, as the schema's logging libraries do: people read it too.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("@timestamp", &timestamp())?;
        map.serialize_entry("log.level", self.level)?;
        map.serialize_entry("message", self.message)?;
        map.serialize_entry("ecs.version", ECS_VERSION)?;
        map.serialize_entry("service.name", SERVICE)?;
        map.serialize_entry("service.version", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("process.pid", &std::process::id())?;
        map.serialize_entry("event.dataset", SERVICE)?;
        map.serialize_entry("log.logger", self.logger)?;
        for (name, value) in self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        writeln!(formatter, "{json}")
    }
}

/// Now, as RFC 3339 in UTC.
fn timestamp() -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests;
