//! From one moment to another: time, and the CPU of a client and its broker.

use std::process;

use serde::Serialize;

use crate::process::{ProcessError, cpu_seconds};
use crate::time;

/// What the clock and the kernel say at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// By [`time::now`].
    at: u64,
    /// CPU time in seconds.
    broker: f64,
    client: f64,
}

/// What one end of a stream of messages did: a publisher, or a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EndReport {
    /// How many messages it sent and had confirmed, or received.
    pub messages: u64,
    /// Messages that are not what they should be: missing, out of turn, changed or refused.
    pub faults: u64,
    /// How long it took.
    pub seconds: f64,
    /// Messages a second.
    pub rate: f64,
    /// CPU time of this process for each message, in microseconds.
    pub client_cpu_us: f64,
    /// CPU time of the broker for each message, in microseconds.
    pub broker_cpu_us: f64,
}

impl Reading {
    /// Of now, of this process and of the broker's.
    ///
    /// # Errors
    ///
    /// [`ProcessError`] when one of the processes can't be read.
    pub fn now(broker_pid: u32) -> Result<Self, ProcessError> {
        let (broker, client) = (cpu_seconds(broker_pid)?, cpu_seconds(process::id())?);
        Ok(Self { at: time::now(), broker, client })
    }

    /// What became of `messages` from this moment until `end`.
    pub fn until(self, end: Self, messages: u64, faults: u64) -> EndReport {
        #[expect(clippy::cast_precision_loss, reason = "what a run counts is below 2^52")]
        let (count, nanoseconds) = (messages.max(1) as f64, (end.at - self.at).max(1) as f64);
        let seconds = nanoseconds / 1e9;
        EndReport {
            messages,
            faults,
            seconds,
            rate: if messages == 0 { 0.0 } else { count / seconds },
            client_cpu_us: (end.client - self.client) / count * 1e6,
            broker_cpu_us: (end.broker - self.broker) / count * 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_a_message() {
        let start = Reading { at: 1_000_000_000, broker: 1.0, client: 5.0 };
        let end = Reading { at: 3_000_000_000, broker: 2.0, client: 5.5 };
        let report = start.until(end, 1000, 3);
        assert_eq!((report.messages, report.faults), (1000, 3));
        assert_eq!((report.seconds, report.rate), (2.0, 500.0));
        assert_eq!((report.client_cpu_us, report.broker_cpu_us), (500.0, 1000.0));
        assert_eq!(start.until(start, 0, 0).rate, 0.0);
    }
}
