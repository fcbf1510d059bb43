//! Lines for people.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _};

use tracing::field::Field;
use tracing_subscriber::Layer;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{self, Writer};
use tracing_subscriber::fmt::{self as lines, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::error::ServeError;

/// Writes each event as a line: time, level, spans, target, message, fields.
pub(super) fn layer<S, W>(writer: W) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let has_colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    lines::layer()
        .with_writer(writer)
        .with_ansi(has_colours)
        .fmt_fields(format::debug_fn(write_field).delimited(" "))
}

/// The last line of a process that ends with an error.
pub(super) fn failure(error: &ServeError) -> String {
    let mut line = String::from("springhare: ");
    // Writing to a String does not fail.
    let _ = write!(Escaped(&mut line), "{error}");
    line.push('\n');
    line
}

fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(Escaped(writer), "{value:?}")
}

/// Writes what could break a line, or turn the text around it, as an escape.
///
/// Names in a log line come from clients; RabbitMQ's allow every character.
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_harmful) {
            let (harmless, tail) = rest.split_at(at);
            self.0.write_str(harmless)?;
            let mut characters = tail.chars();
            if let Some(harmful) = characters.next() {
                write!(self.0, "{}", harmful.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Control characters, line and paragraph separators, and those that change the direction.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::capture::capture;

    fn logged(action: impl FnOnce()) -> String {
        capture(layer, action)
    }

    #[test]
    fn a_line_has_message_fields_and_those_of_its_span() {
        let text = logged(|| {
            let _entered = tracing::info_span!("connection", client.ip = %"10.0.0.1").entered();
            tracing::warn!(queue = %"orders", count = 3, "a queue was deleted");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in ["WARN", "client.ip=10.0.0.1", "a queue was deleted queue=orders count=3"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn hostile_names_stay_in_their_line() {
        let hostile = "a\r\nERROR forged \x1b[2J\u{85}\u{202e}\u{2028}b";
        let text = logged(|| {
            let _entered = tracing::info_span!("s", name = %hostile, other = hostile).entered();
            tracing::info!(queue = %hostile, quoted = hostile, debug = ?hostile, "{hostile}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line = text.strip_suffix('\n').unwrap();
        assert_eq!(line.find(is_harmful), None, "{line:?}");
        assert!(line.contains(r"queue=a\r\nERROR forged \u{1b}[2J"), "{line}");
    }
}
