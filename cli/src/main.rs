//! The command `springhare`: the broker as a server of its own.
//!
//! `springhare serve` takes connections of AMQP 0-9-1 clients until it is told to stop, and
//! `springhare store` looks into the folder where it keeps what is to survive. The
//! broker itself is the crate `springhare-broker`; here is what surrounds it in a process.
//!
//! # Layout
//!
//! - `arguments`, `config`: what the command line and the file say, in the same `values`;
//!   `settings`: what follows from both.
//! - `log`: lines on the standard error, for people or in the Elastic Common Schema.
//! - `start`: the broker with these settings, the one file that knows its API.
//! - `serve`: from the settings to the exit; `signals`, `open_files`, `error`.
//! - `store`: a look into a data folder.

mod arguments;
mod config;
mod error;
mod log;
mod open_files;
mod serve;
mod settings;
mod signals;
mod start;
mod store;
mod values;

use std::process::ExitCode;

/// Messages are made by one thread and dropped by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Store(arguments) => store::run(&arguments.command),
    }
}
