//! The project's own commands: `cargo xtask test` sets up what the tests need and runs
//! everything that must hold.
//!
//! One file per part: `prepare` sets up, `examples` runs the examples and reads their output,
//! `run` starts programs and bounds their time.

mod examples;
mod prepare;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use run::{Result, cargo, heading, succeed};

const USAGE: &str = "\
usage: cargo xtask <command>

  test      set up what is missing, then run all tests and all examples
  examples  run all examples and check their output
";

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let done = match command.as_deref() {
        Some("test") => test(),
        Some("examples") => examples::check_all(),
        _ => Err(USAGE.into()),
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
    prepare::rabbitmq_server()?;
    heading("unit, integration, UI and documentation tests, on the own broker and on RabbitMQ");
    succeed(cargo(&["test", "--workspace"]))?;
    heading("listeners of a linked crate, built for release");
    succeed(cargo(&["test", "--release", "-p", "springhare-tests", "--test", "linked"]))?;
    examples::check_all()?;
    heading("all tests have passed");
    Ok(())
}

/// The workspace's root.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
