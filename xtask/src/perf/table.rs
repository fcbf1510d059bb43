//! What was measured, as Markdown.

use std::fmt::Write;

use super::goals::{GOALS, Goal, Metric};
use super::load::{IdleFigures, LoadFigures, Measurement, Outcome};
use super::options::Options;
use super::statistics::Spread;

/// Whose figures the goals are about, and whose they are held against.
const OURS: &str = "springhare";
const REFERENCE: &str = "rabbitmq";

const LOAD_HEAD: &str = "\
| scenario | broker | rate/s, median (min - max) | verified | broker CPU us | client CPU us \
| p50 us | p99 us | rate vs rabbitmq | CPU vs rabbitmq | p50 vs rabbitmq |
|---|---|---|---|---|---|---|---|---|---|---|
";
const IDLE_HEAD: &str = "
| idle: broker | ready ms, median (min - max) | RSS at start MB | KB a queue | KB a connection |
|---|---|---|---|---|
";
const GOALS_HEAD: &str = "
| scenario | goal | vs rabbitmq or absolute | measured | |
|---|---|---|---|---|
";

/// The tables: messages, idle, goals.
pub(super) fn markdown(options: &Options, measurements: &[Measurement]) -> String {
    let all = All { options, measurements };
    let mut text = String::new();
    for (head, rows) in
        [(LOAD_HEAD, all.load_rows()), (IDLE_HEAD, all.idle_rows()), (GOALS_HEAD, all.goal_rows())]
    {
        if !rows.is_empty() {
            text += head;
            text += &rows;
        }
    }
    text
}

struct All<'a> {
    options: &'a Options,
    measurements: &'a [Measurement],
}

impl All<'_> {
    /// The scenarios and brokers, each pair in turn.
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.scenarios.iter().flat_map(|scenario| {
            let brokers = self.options.brokers.iter();
            brokers.map(move |broker| (scenario.as_str(), broker.name.as_str()))
        })
    }

    fn outcomes(&self, scenario: &str, broker: &str) -> impl Iterator<Item = &Outcome> {
        let own = self.measurements.iter().filter(move |measurement| {
            measurement.scenario == scenario && measurement.broker == broker
        });
        own.map(|measurement| &measurement.outcome)
    }

    /// The figures of all runs that have some.
    fn spread(&self, scenario: &str, broker: &str, metric: Metric) -> Option<Spread> {
        Spread::of(self.outcomes(scenario, broker).filter_map(|outcome| figure(outcome, metric)))
    }

    fn median(&self, scenario: &str, broker: &str, metric: Metric) -> Option<f64> {
        self.spread(scenario, broker, metric).map(|spread| spread.median)
    }

    fn load_rows(&self) -> String {
        let mut text = String::new();
        for (scenario, broker) in self.pairs() {
            let total = self.outcomes(scenario, broker).count();
            let sound = self.outcomes(scenario, broker).filter(|outcome| outcome.is_sound());
            let sound = sound.count();
            let runs: Vec<_> = self.outcomes(scenario, broker).filter_map(load_figures).collect();
            let Some(rate) = Spread::of(runs.iter().map(|figures| figures.rate)) else {
                if total > 0 && self.outcomes(scenario, broker).all(|outcome| !outcome.is_sound()) {
                    let _ =
                        writeln!(text, "| {scenario} | {broker} | failed | 0/{total} |||||||| ");
                }
                continue;
            };
            let median = |of: fn(&LoadFigures) -> f64| {
                Spread::of(runs.iter().map(|figures| of(figures))).map(|spread| spread.median)
            };
            let is_latency = ["rpc", "paced", "confirm"].iter().any(|s| scenario.starts_with(s));
            let latency = |value: Option<f64>, digits| shown(value.filter(|_| is_latency), digits);
            let _ = writeln!(
                text,
                "| {scenario} | {broker} | {} | {sound}/{total} | {} | {} | {} | {} | {} | {} | {} |",
                range(rate, 0),
                shown(median(|figures| figures.broker_cpu_us), 2),
                shown(median(|figures| figures.client_cpu_us), 2),
                latency(median(|figures| figures.latency_us.p50), 0),
                latency(median(|figures| figures.latency_us.p99), 0),
                shown(self.ratio(scenario, broker, Metric::Rate), 2),
                shown(self.ratio(scenario, broker, Metric::Cpu), 3),
                latency(self.ratio(scenario, broker, Metric::P50), 2),
            );
        }
        text
    }

    /// This broker's median of RabbitMQ's.
    fn ratio(&self, scenario: &str, broker: &str, metric: Metric) -> Option<f64> {
        let reference = self.median(scenario, REFERENCE, metric).filter(|median| *median > 0.0)?;
        Some(self.median(scenario, broker, metric)? / reference)
    }

    fn idle_rows(&self) -> String {
        let mut text = String::new();
        for (scenario, broker) in self.pairs() {
            let Some(ready) = self.spread(scenario, broker, Metric::Ready) else { continue };
            let median = |metric| shown(self.median(scenario, broker, metric), 1);
            let _ = writeln!(
                text,
                "| {broker} | {} | {} | {} | {} |",
                range(ready, 1),
                median(Metric::Start),
                median(Metric::Queue),
                median(Metric::Connection),
            );
        }
        text
    }

    fn goal_rows(&self) -> String {
        let mut text = String::new();
        for Goal { scenario, metric, bound } in GOALS {
            let Some(ours) = self.median(scenario, OURS, metric) else { continue };
            let reference = self.median(scenario, REFERENCE, metric);
            let Some(measured) = bound.measure(ours, reference) else { continue };
            let met = if bound.is_met(measured) { "met" } else { "MISSED" };
            let shown = bound.show(measured);
            let _ = writeln!(text, "| {scenario} | {metric} | {bound} | {shown} | {met} |");
        }
        text
    }
}

fn load_figures(outcome: &Outcome) -> Option<&LoadFigures> {
    match outcome {
        Outcome::Load(figures) => Some(figures),
        Outcome::Idle(_) | Outcome::Failed(_) => None,
    }
}

/// The figure that the metric is about.
fn figure(outcome: &Outcome, metric: Metric) -> Option<f64> {
    match (outcome, metric) {
        (Outcome::Load(figures), Metric::Rate) => Some(figures.rate),
        (Outcome::Load(figures), Metric::Cpu) => Some(figures.broker_cpu_us),
        (Outcome::Load(figures), Metric::P50) => Some(figures.latency_us.p50),
        (Outcome::Idle(figures), _) => idle_figure(figures, metric),
        (Outcome::Load(_) | Outcome::Failed(_), _) => None,
    }
}

fn idle_figure(figures: &IdleFigures, metric: Metric) -> Option<f64> {
    match metric {
        Metric::Ready => Some(figures.ready_ms),
        Metric::Start => Some(figures.start_kb / 1024.0),
        Metric::Queue => Some(figures.queue_kb),
        Metric::Connection => Some(figures.connection_kb),
        Metric::Rate | Metric::Cpu | Metric::P50 => None,
    }
}

pub(super) fn range(spread: Spread, digits: usize) -> String {
    let Spread { min, median, max } = spread;
    format!("{} ({} - {})", grouped(median, digits), grouped(min, digits), grouped(max, digits))
}

pub(super) fn shown(value: Option<f64>, digits: usize) -> String {
    value.map(|value| grouped(value, digits)).unwrap_or_default()
}

/// With commas between thousands.
fn grouped(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let (whole, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let follow = whole.len() - index;
        if index > 0 && follow % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

#[cfg(test)]
mod tests;
