//! The project's own commands: `cargo xtask test` sets up what the tests need and runs
//! everything that must hold.
//!
//! One file per part: `prepare` sets up, `examples` runs the examples and reads their output,
//! `clients` runs real AMQP clients, `perf` measures brokers side by side, `cluster` starts and
//! ends a RabbitMQ cluster, `drill` kills its nodes under load, `semver` looks
//! whether the API still is what it was, `run` starts programs and bounds their time.

mod clients;
mod cluster;
mod drill;
mod examples;
mod perf;
mod prepare;
mod run;
mod semver;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use run::{Result, cargo, heading, succeed};

const USAGE: &str = "\
usage: cargo xtask <command>

  test      set up what is missing, then run all tests and all examples
  examples  run all examples and check their output
  clients [--url amqp://user:password@host:port/%2f] [name..]
            run real AMQP clients on `springhare serve`, or on the broker at the URL
  semver    compare the public API with that of the commit in .ci/semver-baseline
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let done = match command.as_deref() {
        Some("test") => test(),
        Some("examples") => examples::check_all(),
        Some("clients") => clients(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("semver") => semver::check(),
        Some("perf") => perf::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("cluster") => cluster::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        Some("drill") => drill::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        _ => {
            let usages =
                [USAGE, perf::USAGE, perf::CLIENTS_USAGE, perf::COMPILE_USAGE, cluster::USAGE];
            Err([usages.concat(), drill::USAGES.concat()].concat().into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> Result {
    prepare::packages(&[&prepare::RABBITMQ[..], &prepare::CLIENTS].concat())?;
    heading("unit, integration, UI and documentation tests, on the own broker and on RabbitMQ");
    succeed(cargo(&["test", "--workspace"]))?;
    heading("what the runtime has by features alone");
    succeed(cargo(&["test", "-p", "springhare", "--features", "full", "--lib", "--tests"]))?;
    heading("listeners of a linked crate, built for release");
    succeed(cargo(&["test", "--release", "-p", "springhare-tests", "--test", "linked"]))?;
    clients::run(None, &[])?;
    examples::check_all()?;
    heading("all tests have passed");
    Ok(())
}

fn clients(arguments: &[String]) -> Result {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--url", url, names @ ..] => clients::run(Some(url), names),
        [option, ..] if option.starts_with('-') => Err(USAGE.into()),
        names => clients::run(None, names),
    }
}

/// The workspace's root.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
