use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use springhare_amqp::{MethodId, ShortString};
use springhare_perf::process::resident_kilobytes;
use springhare_perf::time;

use crate::arguments::RunArguments;
use crate::connection::{Connection, Purpose};
use crate::error::LoadError;
use crate::report::{IdleReport, each, kilobytes};
use crate::topology::{declare_queue, delete_queue};

/// How long the broker is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// How many declarations are on the way at most.
const DECLARED_AT_ONCE: usize = 100;

/// Makes durable queues, then connections with an open channel, and reads what they cost. The
/// figures are those of a broker that was just started: one that has worked has memory to reuse.
pub(crate) fn run(count: usize, run: &RunArguments) -> Result<IdleReport, LoadError> {
    allow_open_files()?;
    time::pause(SETTLE);
    let start_kb = resident_kilobytes(run.broker_pid)?;

    let mut control = Connection::open(run.address, Purpose::LOAD)?;
    let names = (0..count).map(|index| ShortString::new(format!("idle{index:05}")));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let before = resident_kilobytes(run.broker_pid)?;
    for some in names.chunks(DECLARED_AT_ONCE) {
        some.iter().for_each(|name| control.push(&declare_queue(name.clone(), true)));
        control.flush()?;
        for _ in some {
            control.wait_for(MethodId::QUEUE_DECLARE_OK)?;
        }
    }
    let queue_kb = growth(run, before, count)?;

    let before = resident_kilobytes(run.broker_pid)?;
    let connections = (0..count).map(|_| Connection::open(run.address, Purpose::IDLE));
    let connections = connections.collect::<Result<Vec<_>, _>>()?;
    let connection_kb = growth(run, before, count)?;

    drop(connections);
    for name in names {
        control.call(&delete_queue(name), MethodId::QUEUE_DELETE_OK)?;
    }
    control.close()?;
    Ok(IdleReport { scenario: run.scenario.name, start_kb, queue_kb, connection_kb })
}

/// By how many kilobytes the broker has grown since `before`, for each of `count`.
fn growth(run: &RunArguments, before: u64, count: usize) -> Result<f64, LoadError> {
    time::pause(SETTLE);
    let after = resident_kilobytes(run.broker_pid)?;
    Ok(each(kilobytes(after) - kilobytes(before), count as u64))
}

/// Asks for as many open files as there may be: there is one for each connection.
fn allow_open_files() -> Result<(), LoadError> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(|error| LoadError::OpenFiles(io::Error::from(error)))
}
