//! What is logged, for a test on one thread.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::util::SubscriberInitExt as _;

/// What was logged.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// All that is logged by this thread from now on, until the second is dropped.
    pub(crate) fn of_this_thread() -> (Self, impl Sized) {
        // With a single subscriber a place that logs would ask that of its own thread whether anybody
        // listens, and remember the answer: tests on other threads have none.
        let second = tracing_subscriber::fmt().with_writer(io::sink).finish().set_default();
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        let first = subscriber.with_writer(move || writer.clone()).finish().set_default();
        (log, (first, second))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
