//! One line: what every line has, and the fields.

use std::fmt;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use tracing::Level;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use crate::fields::Fields;

/// The schema's version that the names are taken from, `ecs.version`.
pub const ECS_VERSION: &str = "8.11.0";

/// Who writes: `service.name`, which is the `event.dataset` too, and `service.version`.
///
/// ```
/// use springhare_log::Service;
///
/// let service = Service::new("shop").version(env!("CARGO_PKG_VERSION"));
/// # drop(service);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    name: String,
    version: Option<String>,
}

impl Service {
    /// A service of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), version: None }
    }

    /// Its version, in whatever form.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The line, with its end, of a failure that no subscriber is asked about: the last word of a
    /// program that ends with an error, say.
    ///
    /// ```
    /// use springhare_log::Service;
    ///
    /// let error = std::io::Error::other("the disk is full");
    /// let line = Service::new("shop").failure("not started", &error);
    /// assert!(line.contains(r#""error.message":"the disk is full""#));
    /// ```
    #[must_use]
    pub fn failure(&self, message: &str, error: &dyn fmt::Display) -> String {
        let fields = Fields::of_failure(message, error);
        let line = Line { service: self, level: Level::ERROR, logger: &self.name, fields: &fields };
        line.json()
    }
}

/// One line, without the time at which it is written.
pub(crate) struct Line<'a> {
    pub(crate) service: &'a Service,
    pub(crate) level: Level,
    pub(crate) logger: &'a str,
    pub(crate) fields: &'a Fields,
}

impl Serialize for Line<'_> {
    /// Time, level and message first, as the schema's logging libraries do: people read it too.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("@timestamp", &timestamp())?;
        map.serialize_entry("log.level", level_name(self.level))?;
        map.serialize_entry("message", self.fields.message())?;
        map.serialize_entry("ecs.version", ECS_VERSION)?;
        map.serialize_entry("service.name", &self.service.name)?;
        if let Some(version) = &self.service.version {
            map.serialize_entry("service.version", version)?;
        }
        map.serialize_entry("process.pid", &std::process::id())?;
        map.serialize_entry("event.dataset", &self.service.name)?;
        map.serialize_entry("log.logger", self.logger)?;
        for (name, value) in self.fields.named() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Line<'_> {
    /// The line as it is written, with its end. Texts and numbers are always JSON; were it not so,
    /// there would be no line, and no panic.
    pub(crate) fn json(&self) -> String {
        let mut json = serde_json::to_string(self).unwrap_or_default();
        json.push('\n');
        json
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
