//! `cargo xtask perf`: brokers side by side, each in a process of its own, under the load of the
//! crate `springhare-perf`. perf/README.md says how to read what it prints.
//!
//! With `--clients` it measures clients in place of brokers: `clients/`; with `--compile` how long many
//! listeners take to build.
//!
//! `options` (the command line), `broker` (a running one) and `command` (how each is started),
//! `load` (calling the generator), `statistics`, `goals`, `table`.

mod broker;
mod clients;
mod command;
mod compile;
mod goals;
mod load;
mod options;
mod statistics;
mod table;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Result, cargo, heading, succeed};
use broker::Broker;
use command::Kind;
use load::{Generator, Measurement};
use options::{NamedBroker, Options};

pub(crate) use clients::USAGE as CLIENTS_USAGE;
pub(crate) use compile::USAGE as COMPILE_USAGE;
pub(crate) use options::USAGE;

/// The scenario that wants a broker which has done nothing yet.
const IDLE: &str = "idle";

/// Measures what the arguments ask for, and prints it as Markdown.
///
/// # Errors
///
/// When a broker does not start, and when a run failed or lost, doubled or mixed messages. A goal
/// that was missed is no error.
pub(crate) fn run(arguments: &[String]) -> Result {
    if let Some((clients::OPTION, arguments)) =
        arguments.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return clients::run(arguments);
    }
    if let Some((compile::OPTION, arguments)) =
        arguments.split_first().map(|(first, rest)| (first.as_str(), rest))
    {
        return compile::run(arguments);
    }
    let options = Options::parse(arguments)?;
    let mut packages = vec!["springhare-perf"];
    if options.brokers.iter().any(|broker| matches!(broker.kind, Kind::Springhare)) {
        packages.push("springhare-cli");
    }
    let programs = build(&packages)?;
    let generator = Generator::new(programs.join("load"), options.seconds);
    let measurements = measure(&options, &generator, &programs)?;
    if let Some(file) = &options.json {
        load::append(file, &measurements)?;
    }
    println(&table::markdown(&options, &measurements));
    match measurements.iter().filter(|measurement| !measurement.outcome.is_sound()).count() {
        0 => Ok(()),
        count => Err(format!("{count} runs failed or did not verify, see above").into()),
    }
}

/// Builds these packages for release; returns the directory where the programs are.
fn build(packages: &[&str]) -> Result<PathBuf> {
    heading("building");
    let mut arguments = vec!["build", "--release"];
    arguments.extend(packages.iter().flat_map(|package| ["-p", package]));
    succeed(cargo(&arguments))?;
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let target = metadata.get("target_directory").and_then(Value::as_str);
    let target = target.ok_or("cargo metadata names no target directory")?;
    Ok(PathBuf::from(target).join("release"))
}

/// Every scenario on every broker in turn, again and again: what disturbs the machine for a while
/// disturbs all of them.
fn measure(options: &Options, generator: &Generator, programs: &Path) -> Result<Vec<Measurement>> {
    let start = |named: &NamedBroker| {
        heading(&format!("starting {}", named.name));
        Broker::start(named, generator, programs)
    };
    let mut running = Vec::new();
    if options.scenarios.iter().any(|scenario| scenario != IDLE) {
        for named in &options.brokers {
            running.push(start(named)?);
        }
    }
    let mut measurements = Vec::new();
    for repeat in 1..=options.repeats {
        heading(&format!("repeat {repeat} of {}", options.repeats));
        for scenario in &options.scenarios {
            for (index, named) in options.brokers.iter().enumerate() {
                let outcome = match running.get(index) {
                    Some(broker) if scenario != IDLE => generator.run(scenario, broker),
                    _ => {
                        let fresh = start(named)?;
                        generator.run(IDLE, &fresh)
                    }
                };
                eprintln!("{scenario} on {}: {outcome}", named.name);
                let (scenario, broker) = (scenario.clone(), named.name.clone());
                measurements.push(Measurement { scenario, broker, repeat, outcome });
            }
        }
    }
    Ok(measurements)
}

#[expect(clippy::print_stdout, reason = "the tables are what the command is for")]
fn println(text: &str) {
    println!("{text}");
}
