use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use springhare_perf::process::ProcessError;
use springhare_perf::reading::{EndReport, Reading};
use springhare_perf::stamp::Stamp;
use tokio::sync::Notify;

use crate::arguments::Arguments;

/// Counts what a consumer handles and checks it: the same few instructions for every client.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    broker_pid: u32,
    expected: u64,
    start: Reading,
    handled: AtomicU64,
    faults: AtomicU64,
    done: Notify,
}

impl Meter {
    /// Begins to measure.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] when the broker's process can't be read.
    pub(crate) fn start(run: &Arguments) -> Result<Self, ProcessError> {
        let start = Reading::now(run.broker_pid)?;
        let shared = Shared {
            broker_pid: run.broker_pid,
            expected: run.messages,
            start,
            handled: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            done: Notify::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Counts a message, which has to be the next one.
    pub(crate) fn handle(&self, body: &[u8]) {
        let Shared { expected, handled, faults, done, .. } = &*self.shared;
        let sequence = handled.fetch_add(1, Ordering::Relaxed);
        if Stamp::read(body).is_none_or(|stamp| stamp.sequence != sequence) {
            faults.fetch_add(1, Ordering::Relaxed);
        }
        if sequence + 1 == *expected {
            done.notify_one();
        }
    }

    /// Waits until all are handled; the measurement ends then.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] when the broker's process can't be read.
    pub(crate) async fn done(&self) -> Result<EndReport, ProcessError> {
        self.shared.done.notified().await;
        self.report()
    }

    /// What was handled up to now.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] when the broker's process can't be read.
    pub(crate) fn report(&self) -> Result<EndReport, ProcessError> {
        let end = Reading::now(self.shared.broker_pid)?;
        let handled = self.shared.handled.load(Ordering::Relaxed);
        let faults = self.shared.faults.load(Ordering::Relaxed);
        Ok(self.shared.start.until(end, handled, faults))
    }

    /// Whether all are handled.
    pub(crate) fn is_done(&self) -> bool {
        self.shared.handled.load(Ordering::Relaxed) >= self.shared.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Client, Task};
    use crate::body::body;

    #[tokio::test]
    async fn what_is_out_of_turn_is_a_fault() {
        let run = Arguments {
            client: Client::Lapin,
            task: Task::AutoAck,
            queue: "q".to_owned(),
            address: "127.0.0.1:5672".parse().unwrap(),
            broker_pid: std::process::id(),
            messages: 4,
        };
        let meter = Meter::start(&run).unwrap();
        meter.handle(&body(0));
        meter.handle(&body(2));
        meter.handle(b"no stamp");
        assert!(!meter.is_done());
        meter.handle(&body(3));
        assert!(meter.is_done());
        let report = meter.done().await.unwrap();
        assert_eq!((report.messages, report.faults), (4, 2));
    }
}
