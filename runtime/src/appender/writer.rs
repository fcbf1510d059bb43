//! What layers write to.

use std::io;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::AmqpAppender;

/// The target of what is written without an event.
const NO_TARGET: &str = "log";

impl<'a> MakeWriter<'a> for AmqpAppender {
    type Writer = AppenderWriter<'a>;

    /// A line of no event: its level is `INFO`, its target `log`.
    fn make_writer(&'a self) -> AppenderWriter<'a> {
        AppenderWriter::new(self, Level::INFO, NO_TARGET)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> AppenderWriter<'a> {
        AppenderWriter::new(self, *metadata.level(), metadata.target())
    }
}

/// One line for an [`AmqpAppender`]: what was written when it is dropped. Nothing that is written to it
/// waits or fails.
#[derive(Debug)]
pub struct AppenderWriter<'a> {
    appender: &'a AmqpAppender,
    level: Level,
    target: String,
    line: Vec<u8>,
}

impl<'a> AppenderWriter<'a> {
    fn new(appender: &'a AmqpAppender, level: Level, target: &str) -> Self {
        Self { appender, level, target: target.to_owned(), line: Vec::new() }
    }
}

impl io::Write for AppenderWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for AppenderWriter<'_> {
    fn drop(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        line.pop_if(|last| *last == b'\n');
        if !line.is_empty() {
            self.appender.append(self.level, &self.target, line);
        }
    }
}
