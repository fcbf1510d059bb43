//! What a run prints, a line of JSON; `cargo xtask perf` reads it.

use serde::Serialize;

use crate::histogram::Histogram;
use crate::load::Faults;

/// How long it took from the broker's start until a queue was declared.
#[derive(Debug, Serialize)]
pub(crate) struct ReadyReport {
    pub(crate) ready_ms: f64,
}

/// What came of messages or calls.
#[derive(Debug, Serialize)]
pub(crate) struct LoadReport {
    pub(crate) scenario: &'static str,
    /// Messages that were published, or calls.
    pub(crate) sent: u64,
    /// Deliveries, or replies.
    pub(crate) received: u64,
    /// From the first message until the last delivery or confirm.
    pub(crate) seconds: f64,
    /// Messages published or calls made, a second.
    pub(crate) rate: f64,
    /// Whether every message arrived once and in order, and nothing was left.
    pub(crate) verified: bool,
    pub(crate) faults: Faults,
    /// CPU time of the broker for each message published, in microseconds.
    pub(crate) broker_cpu_us: f64,
    /// CPU time of this process for each message published, in microseconds.
    pub(crate) client_cpu_us: f64,
    pub(crate) latency_us: LatencyReport,
}

/// From publish to delivery; with confirms, from publish to confirm; from call to reply.
#[derive(Debug, Serialize)]
pub(crate) struct LatencyReport {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl From<&Histogram> for LatencyReport {
    fn from(histogram: &Histogram) -> Self {
        Self {
            p50: microseconds(histogram.quantile(500)),
            p99: microseconds(histogram.quantile(990)),
            max: microseconds(histogram.max()),
        }
    }
}

/// How many messages there are in a queue, or were when it was deleted.
#[derive(Debug, Serialize)]
pub(crate) struct QueueReport {
    pub(crate) ready: u64,
}

/// What queues and connections that do nothing cost.
#[derive(Debug, Serialize)]
pub(crate) struct IdleReport {
    pub(crate) scenario: &'static str,
    /// The broker's resident memory before anything was made in it.
    pub(crate) start_kb: u64,
    /// What its resident memory grew by for each durable queue.
    pub(crate) queue_kb: f64,
    /// What it grew by for each connection with an open channel.
    pub(crate) connection_kb: f64,
}

fn microseconds(nanoseconds: u64) -> f64 {
    seconds(nanoseconds) * 1e6
}

/// Nanoseconds in seconds.
pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    number(nanoseconds) / 1e9
}

/// A size in memory, to reckon with.
pub(crate) fn kilobytes(kilobytes: u64) -> f64 {
    number(kilobytes)
}

/// A total's share of each of `count`.
pub(crate) fn each(total: f64, count: u64) -> f64 {
    total / number(count.max(1))
}

/// How many a second; 0 when no time has passed.
pub(crate) fn per_second(count: u64, nanoseconds: u64) -> f64 {
    if nanoseconds == 0 { 0.0 } else { number(count) / seconds(nanoseconds) }
}

#[expect(clippy::cast_precision_loss, reason = "what a run counts is below 2^52")]
fn number(count: u64) -> f64 {
    count as f64
}
