//! `cargo xtask perf --clients`: our client beside lapin and amqprs, on RabbitMQ and on our own
//! server, each client in a process of its own. perf/README.md says how to read what it prints, the
//! crate `springhare-perf-clients` what is measured.
//!
//! `options` (the command line), `run` (one client's run), `goals`, `table`.

mod goals;
mod options;
mod run;
mod table;

use std::path::Path;

use super::broker::Broker;
use super::load::Generator;
use crate::run::{Result, heading};
use options::{Client, Options, Task};
use run::{Figures, Outcome, Programs};

/// The name by which the command line asks for this.
pub(super) const OPTION: &str = "--clients";

pub(crate) use options::USAGE;

/// So many messages tell roughly how quick a client is. They warm the broker up, too.
const FIRST_MESSAGES: u64 = 20_000;
/// The least that is measured.
const MESSAGES_MIN: f64 = 20_000.0;
/// The most that is measured, in any time.
const MESSAGES_MAX: f64 = 2_000_000.0;

/// What a client did in one round.
#[derive(Debug)]
struct Measurement {
    broker: String,
    task: Task,
    client: Client,
    /// Why there are no figures, in words.
    figures: Outcome<Figures>,
}

/// Measures what the arguments ask for, and prints it as Markdown.
///
/// # Errors
///
/// When a broker does not start, and when a run failed or messages were lost, doubled or mixed. A
/// goal that was missed is no error.
pub(super) fn run(arguments: &[String]) -> Result {
    let options = Options::parse(arguments)?;
    let packages = ["springhare-perf", "springhare-perf-clients", "springhare-cli"];
    let directory = super::build(&packages)?;
    let measurements = measure(&options, &directory)?;
    super::println(&table::markdown(&options, &measurements));
    let failed = measurements.iter().filter(|measurement| !measurement.is_sound()).count();
    if failed == 0 {
        return Ok(());
    }
    Err(format!("{failed} runs failed or did not verify, see above").into())
}

impl Measurement {
    /// Whether there are figures, and none of messages that were lost, doubled or mixed.
    fn is_sound(&self) -> bool {
        self.figures.as_ref().is_ok_and(|figures| figures.faults == 0)
    }
}

/// Every client on every broker in turn, again and again: what disturbs the machine for a while
/// disturbs all of them.
fn measure(options: &Options, directory: &Path) -> Result<Vec<Measurement>> {
    let generator = Generator::new(directory.join("load"), options.seconds);
    let programs = Programs::new(directory);
    let mut brokers = Vec::new();
    for named in &options.brokers {
        heading(&format!("starting {}", named.name));
        brokers.push((&named.name, Broker::start(named, &generator, directory)?));
    }
    let mut series = Vec::new();
    heading("how quick each is");
    for (name, broker) in &brokers {
        for (task, client) in options.pairs() {
            let first = programs.run(broker, task, client, FIRST_MESSAGES);
            let rate = first.as_ref().map_or(0.0, |figures| figures.rate);
            tell(name, task, client, &first);
            series.push((*name, broker, task, client, messages(rate * options.seconds)));
        }
    }
    let mut measurements = Vec::new();
    for repeat in 1..=options.repeats {
        heading(&format!("repeat {repeat} of {}", options.repeats));
        for (name, broker, task, client, messages) in series.iter().copied() {
            let figures = programs.run(broker, task, client, messages);
            tell(name, task, client, &figures);
            let broker = name.clone();
            measurements.push(Measurement { broker, task, client, figures });
        }
    }
    Ok(measurements)
}

fn tell(broker: &str, task: Task, client: Client, outcome: &Outcome<Figures>) {
    match outcome {
        Ok(figures) => eprintln!("{task} with {client} on {broker}: {figures}"),
        Err(reason) => eprintln!("{task} with {client} on {broker}: FAILED: {reason}"),
    }
}

/// How many messages a run has.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between the bounds")]
fn messages(wanted: f64) -> u64 {
    wanted.clamp(MESSAGES_MIN, MESSAGES_MAX) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_neither_too_few_messages_nor_too_many() {
        assert_eq!(messages(0.0), 20_000);
        assert_eq!(messages(123_456.7), 123_456);
        assert_eq!(messages(1e9), 2_000_000);
    }
}
