//! Calling the load generator, and what it says.

use std::error::Error;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::broker::Broker;
use crate::run::{Result, capture};

/// How long a call may take beside the time in which messages are sent.
const LIMIT: Duration = Duration::from_secs(180);

/// The program `load`.
#[derive(Debug)]
pub(super) struct Generator {
    program: PathBuf,
    seconds: f64,
}

/// One run.
#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) scenario: String,
    pub(super) broker: String,
    /// Counted from 1.
    pub(super) repeat: u32,
    pub(super) outcome: Outcome,
}

/// What came of a run.
#[derive(Debug)]
pub(super) enum Outcome {
    Load(LoadFigures),
    Idle(IdleFigures),
    /// There are no figures, for this reason.
    Failed(String),
}

/// What the generator says of messages and calls; its `report.rs` says what each means.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LoadFigures {
    pub(super) rate: f64,
    pub(super) verified: bool,
    pub(super) broker_cpu_us: f64,
    pub(super) client_cpu_us: f64,
    pub(super) latency_us: LatencyFigures,
    /// All of it.
    #[serde(skip)]
    pub(super) report: Value,
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct LatencyFigures {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// What it says of queues and connections that do nothing.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct IdleFigures {
    /// From the broker's start until it declared a queue; the broker tells.
    #[serde(skip)]
    pub(super) ready_ms: f64,
    pub(super) start_kb: f64,
    pub(super) queue_kb: f64,
    pub(super) connection_kb: f64,
}

#[derive(Deserialize)]
struct Ready {
    ready_ms: f64,
}

impl Generator {
    /// The program, which sends for so many seconds.
    pub(super) fn new(program: PathBuf, seconds: f64) -> Self {
        Self { program, seconds }
    }

    /// Waits until the broker declares a queue; returns the milliseconds since `since`, which is
    /// in nanoseconds since 1970.
    pub(super) fn ready(&self, broker: &Broker, since: u64) -> Result<f64> {
        let mut command = self.command("ready", broker);
        command.args(["--since", &since.to_string()]);
        let ready: Ready = serde_json::from_value(call(command, LIMIT)?)?;
        Ok(ready.ready_ms)
    }

    /// Runs a scenario.
    pub(super) fn run(&self, scenario: &str, broker: &Broker) -> Outcome {
        let mut command = self.command("run", broker);
        command.args([scenario, "--seconds", &self.seconds.to_string()]);
        let report = match call(command, LIMIT + Duration::from_secs_f64(self.seconds)) {
            Ok(report) => report,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        match Outcome::read(report, broker.ready_ms) {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    fn command(&self, what: &str, broker: &Broker) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(what).args(["--address", &format!("127.0.0.1:{}", broker.port)]);
        command.args(["--broker-pid", &broker.pid.to_string()]);
        command
    }
}

/// The line of JSON that the generator prints, or a client.
///
/// # Errors
///
/// When the program fails, or is not done within `limit`: what it printed.
pub(super) fn call(command: Command, limit: Duration) -> Result<Value> {
    let finished = capture(command, Vec::new(), limit)?;
    let line = finished.output.lines().find(|line| line.starts_with('{'));
    match line {
        Some(line) if finished.success => Ok(serde_json::from_str(line)?),
        _ => Err(Box::<dyn Error>::from(finished.output.trim())),
    }
}

impl Outcome {
    fn read(report: Value, ready_ms: f64) -> Result<Self> {
        if report.get("queue_kb").is_some() {
            let figures = IdleFigures::deserialize(report)?;
            return Ok(Self::Idle(IdleFigures { ready_ms, ..figures }));
        }
        let figures = LoadFigures::deserialize(&report)?;
        Ok(Self::Load(LoadFigures { report, ..figures }))
    }

    /// Whether there are figures, and none of messages that were lost, doubled or mixed.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Load(figures) => figures.verified,
            Self::Idle(_) => true,
            Self::Failed(_) => false,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Load(figures) => figures.report.clone(),
            Self::Idle(IdleFigures { ready_ms, start_kb, queue_kb, connection_kb }) => json!({
                "ready_ms": ready_ms,
                "start_kb": start_kb,
                "queue_kb": queue_kb,
                "connection_kb": connection_kb,
            }),
            Self::Failed(reason) => json!({ "failed": reason }),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(LoadFigures { rate, verified, broker_cpu_us, report, .. }) => {
                write!(f, "{rate:.0}/s, {broker_cpu_us:.2} us of the broker's CPU each")?;
                if *verified { Ok(()) } else { write!(f, ", NOT VERIFIED: {report}") }
            }
            Self::Idle(IdleFigures { ready_ms, queue_kb, connection_kb, .. }) => write!(
                f,
                "ready after {ready_ms:.1} ms, {queue_kb:.1} KB a queue, \
                 {connection_kb:.1} KB a connection"
            ),
            Self::Failed(reason) => write!(f, "FAILED: {reason}"),
        }
    }
}

/// Appends the figures of every run, a line of JSON each.
pub(super) fn append(file: &Path, measurements: &[Measurement]) -> Result {
    let opened = OpenOptions::new().append(true).create(true).open(file);
    let mut opened = opened.map_err(|error| format!("{}: {error}", file.display()))?;
    for Measurement { scenario, broker, repeat, outcome } in measurements {
        let figures = outcome.to_json();
        let line = json!({
            "scenario": scenario, "broker": broker, "repeat": repeat, "figures": figures,
        });
        writeln!(opened, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        let report = json!({
            "scenario": "rpc", "sent": 10, "rate": 5.5, "verified": false,
            "broker_cpu_us": 1.0, "client_cpu_us": 2.0,
            "latency_us": { "p50": 3.0, "p99": 4.0, "max": 5.0 },
        });
        let outcome = Outcome::read(report.clone(), 7.0).unwrap();
        assert!(!outcome.is_sound());
        assert_eq!(outcome.to_json(), report);
        let report = json!({ "start_kb": 8000, "queue_kb": 1.5, "connection_kb": 2.5 });
        let outcome = Outcome::read(report, 7.0).unwrap();
        assert!(outcome.is_sound());
        assert_eq!(outcome.to_json()["ready_ms"], 7.0);
        assert!(Outcome::read(json!({ "rate": 1.0 }), 7.0).is_err());
    }
}
