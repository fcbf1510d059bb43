//! What our broker has to reach, of RabbitMQ in the same run and absolutely.

use std::fmt;

/// What a goal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    /// Messages or calls a second.
    Rate,
    /// The broker's CPU time for a message.
    Cpu,
    /// The median latency.
    P50,
    /// From the start until a queue is declared.
    Ready,
    /// Resident memory after the start.
    Start,
    /// Memory of an idle queue.
    Queue,
    /// Memory of an idle connection.
    Connection,
}

/// Where the goal is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    /// At least so many times RabbitMQ's.
    Times(f64),
    /// At most this part of RabbitMQ's.
    Part(f64),
    /// At most so much, in the unit.
    Most(f64, &'static str),
}

/// A goal of a scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Goal {
    pub(super) scenario: &'static str,
    pub(super) metric: Metric,
    pub(super) bound: Bound,
}

const fn goal(scenario: &'static str, metric: Metric, bound: Bound) -> Goal {
    Goal { scenario, metric, bound }
}

pub(super) const GOALS: [Goal; 22] = [
    goal("transient-16", Metric::Rate, Bound::Times(6.0)),
    goal("transient-16", Metric::Cpu, Bound::Part(0.05)),
    goal("transient-1024", Metric::Rate, Bound::Times(4.0)),
    goal("transient-1024", Metric::Cpu, Bound::Part(0.08)),
    goal("transient-65536", Metric::Rate, Bound::Times(1.3)),
    goal("transient-65536", Metric::Cpu, Bound::Part(0.55)),
    goal("single-writes-16", Metric::Rate, Bound::Times(5.0)),
    goal("single-writes-16", Metric::Cpu, Bound::Part(0.14)),
    goal("acked-16", Metric::Rate, Bound::Times(7.0)),
    goal("acked-16", Metric::Cpu, Bound::Part(0.08)),
    goal("acked-1024", Metric::Rate, Bound::Times(8.0)),
    goal("acked-1024", Metric::Cpu, Bound::Part(0.06)),
    goal("fanout-10", Metric::Rate, Bound::Times(8.0)),
    goal("fanout-10", Metric::Cpu, Bound::Part(0.06)),
    goal("topic-10000", Metric::Rate, Bound::Times(8.0)),
    goal("topic-10000", Metric::Cpu, Bound::Part(0.06)),
    goal("rpc", Metric::P50, Bound::Part(0.45)),
    goal("paced-5000", Metric::P50, Bound::Part(0.75)),
    goal("idle", Metric::Ready, Bound::Most(20.0, "ms")),
    goal("idle", Metric::Start, Bound::Most(8.0, "MB")),
    goal("idle", Metric::Queue, Bound::Most(4.0, "KB")),
    goal("idle", Metric::Connection, Bound::Most(16.0, "KB")),
];

impl Bound {
    /// What is held against the bound: our figure itself, or what it is of RabbitMQ's. None when
    /// there is no figure of RabbitMQ's to compare with.
    pub(super) fn measure(self, ours: f64, rabbitmq: Option<f64>) -> Option<f64> {
        match self {
            Self::Times(_) | Self::Part(_) => {
                rabbitmq.filter(|figure| *figure > 0.0).map(|figure| ours / figure)
            }
            Self::Most(..) => Some(ours),
        }
    }

    /// Whether it is met by what [`measure`](Self::measure) has returned.
    pub(super) fn is_met(self, measured: f64) -> bool {
        match self {
            Self::Times(least) => measured >= least,
            Self::Part(most) | Self::Most(most, _) => measured <= most,
        }
    }

    /// What was measured, in the bound's unit.
    pub(super) fn show(self, measured: f64) -> String {
        match self {
            Self::Times(_) => format!("{measured:.2} x"),
            Self::Part(_) => format!("{:.1} %", measured * 100.0),
            Self::Most(_, unit) => format!("{measured:.1} {unit}"),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(least) => write!(f, ">= {least:.1} x"),
            Self::Part(most) => write!(f, "<= {:.0} %", most * 100.0),
            Self::Most(most, unit) => write!(f, "<= {most} {unit}"),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rate => "rate",
            Self::Cpu => "broker CPU",
            Self::P50 => "p50",
            Self::Ready => "ready",
            Self::Start => "RSS at start",
            Self::Queue => "a queue",
            Self::Connection => "a connection",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_to_be_high_and_a_cost_low() {
        let times = Bound::Times(6.0);
        assert_eq!(times.measure(600.0, Some(100.0)), Some(6.0));
        assert!(times.is_met(6.0) && !times.is_met(5.99));
        let part = Bound::Part(0.05);
        assert_eq!(part.measure(1.0, Some(20.0)), Some(0.05));
        assert!(part.is_met(0.05) && !part.is_met(0.051));
        assert_eq!(part.show(0.034), "3.4 %");
    }

    #[test]
    fn what_is_compared_needs_something_to_compare_with() {
        assert_eq!(Bound::Times(6.0).measure(600.0, None), None);
        assert_eq!(Bound::Part(0.1).measure(600.0, Some(0.0)), None);
        assert_eq!(Bound::Most(8.0, "MB").measure(7.5, None), Some(7.5));
    }
}
