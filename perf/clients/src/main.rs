//! `perf-clients CLIENT TASK`: one client of AMQP handles one load, in a process of its own so that
//! its CPU time can be read, and prints what came of it as one line of JSON. `cargo xtask perf
//! --clients` starts the brokers, calls this in turn for each client, and makes a table of it.
//!
//! # What is measured
//!
//! A **consumer** (`auto-ack`, `ack-each`) takes what another process publishes meanwhile, `load
//! publish --feed`: as fast as it goes while no more than 20,000 messages wait in the queue, so
//! that a slow client does not make the broker hoard. It is measured from before it subscribes
//! until it has handled the last message. The queue is not filled before: what is measured is a
//! stream, as in the generator's own scenarios, and not how a broker works through a backlog, which
//! costs RabbitMQ more. The producer costs 0.4 us a message, the same for all clients.
//!
//! A **publisher** (`confirm-1000`) sends persistent messages to a durable queue, 1,000 unconfirmed
//! at most, until all are confirmed. Another process consumes them meanwhile and acks each, the
//! same for all publishers: the scenario is that of `load run confirm-1000`, whose publisher alone
//! is `load publish`.
//!
//! Bodies have 1 KiB, and each carries a stamp: a consumer checks that it gets every message once
//! and in order, and the other process does so for a publisher.
//!
//! # Layout
//!
//! `arguments`, `meter` (counts and checks what is handled) → `with_springhare`, `with_lapin`,
//! `with_amqprs` (with `confirms`, the window that amqprs leaves to its users), each written as
//! one of its users would.

mod arguments;
mod body;
mod confirms;
mod error;
mod meter;
mod with_amqprs;
mod with_lapin;
mod with_springhare;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use springhare_perf::reading::EndReport;
use tokio::time::timeout;

use arguments::{Arguments, Client, Task};
use error::ClientError;

/// How long a run may take.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
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

async fn run(arguments: &Arguments) -> Result<String, ClientError> {
    let done = timeout(LIMIT, Box::pin(measure(arguments))).await;
    let report = done.map_err(|_| ClientError::NotDone(LIMIT))??;
    Ok(serde_json::to_string(&report)?)
}

async fn measure(run: &Arguments) -> Result<EndReport, ClientError> {
    match (run.client, run.task) {
        (Client::Springhare, Task::Confirm1000) => with_springhare::publish(run).await,
        (Client::Springhare, Task::AutoAck) => with_springhare::auto_ack(run).await,
        (Client::Springhare, Task::AckEach) => with_springhare::ack_each(run).await,
        (Client::SpringhareManual, Task::AckEach) => with_springhare::ack_by_hand(run).await,
        (Client::SpringhareManual, _) => Err(ClientError::NothingByHand),
        (Client::Lapin, Task::Confirm1000) => with_lapin::publish(run).await,
        (Client::Lapin, _) => with_lapin::consume(run).await,
        (Client::Amqprs, Task::Confirm1000) => with_amqprs::publish(run).await,
        (Client::Amqprs, _) => with_amqprs::consume(run).await,
    }
}
