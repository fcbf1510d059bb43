//! `load`: puts one scenario's load on an AMQP 0-9-1 broker and prints what came of it as one
//! line of JSON.
//!
//! It has to cost less than any broker: a thread a connection, frames that are encoded once and
//! stamped in place, one write for as many as fit, and no client library. `cargo xtask perf`
//! starts the brokers, calls this in turn for each of them, and makes a table of it.
//!
//! # Layout
//!
//! The library's `time`, `process` (readings of `/proc`), `stamp` (what a body carries) and
//! `reading`, `histogram` → `connection` → `scenario`, `topology` → `load/` (producers to
//! consumers, and `end`: one of them alone), `rpc`, `idle`, `ready` → `report`.

mod arguments;
mod connection;
mod error;
mod histogram;
mod idle;
mod load;
mod ready;
mod report;
mod rpc;
mod scenario;
mod topology;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use error::LoadError;
use scenario::Scenario;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(report) => match writeln!(io::stdout(), "{report}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The report as a line of JSON.
fn run(arguments: Arguments) -> Result<String, LoadError> {
    let line = match arguments.command {
        Command::Ready(arguments) => serde_json::to_string(&ready::wait(&arguments)?),
        Command::Publish(end) => serde_json::to_string(&load::end::publish(&end)?),
        Command::Consume(end) => serde_json::to_string(&load::end::consume(&end)?),
        Command::Declare(end) => serde_json::to_string(&load::end::declare(&end)?),
        Command::Delete(end) => serde_json::to_string(&load::end::delete(&end)?),
        Command::Run(run) => match run.scenario.what {
            Scenario::Load(load) => serde_json::to_string(&load::run(&load, &run)?),
            Scenario::Rpc { body_bytes } => serde_json::to_string(&rpc::run(body_bytes, &run)?),
            Scenario::Idle { count } => serde_json::to_string(&idle::run(count, &run)?),
        },
    };
    line.map_err(LoadError::Report)
}
