//! One end of a stream alone, whose other end is another program: a client that is measured.

use std::time::Duration;

use springhare_perf::reading::{EndReport, Reading};
use springhare_perf::time;

use super::consumer::Consumer;
use super::producer::Producer;
use super::progress::Progress;
use crate::arguments::{ConsumeArguments, EndArguments, PublishArguments};
use crate::connection::{Connection, Purpose};
use crate::error::LoadError;
use crate::report::DeleteReport;
use crate::scenario::{CONFIRM_1000, Durability, Load, Settling};
use crate::topology::Topology;

/// How long publishing may take.
const PUBLISH_LIMIT: Duration = Duration::from_secs(120);

/// Publishes so many messages and waits until all are confirmed.
pub(crate) fn publish(publish: &PublishArguments) -> Result<EndReport, LoadError> {
    let PublishArguments { end, messages, transient } = publish;
    let durability = if *transient { Durability::Transient } else { Durability::Durable };
    let load = Load { durability, messages_max: *messages, ..CONFIRM_1000 };
    let topology = declare(end)?;
    let producer = Producer::start(end.address, &load, &topology, 0)?;
    // Its end is told by the number of its messages; the progress counts none that are received.
    let progress = Progress::new(1, 1);
    let start = Reading::now(end.broker_pid)?;
    let produced = producer.run(&progress, time::now() + time::nanoseconds(PUBLISH_LIMIT))?;
    let stop = Reading::now(end.broker_pid)?;
    produced.connection.close()?;
    let (confirmed, refused, _) =
        produced.confirms.map(super::confirms::ConfirmWindow::into_results).unwrap_or_default();
    Ok(start.until(stop, confirmed, refused + messages.saturating_sub(confirmed)))
}

/// Consumes so many messages, all of them of one publisher that counts them from 0.
pub(crate) fn consume(consume: &ConsumeArguments) -> Result<EndReport, LoadError> {
    let ConsumeArguments { end, messages, auto_ack } = consume;
    let settling = if *auto_ack { Settling::Automatic } else { CONFIRM_1000.settling };
    let load = Load { settling, ..CONFIRM_1000 };
    let topology = declare(end)?;
    let queues = topology.consumed().concat();
    // The other end's progress is known: it sends them all.
    let progress = Progress::new(0, 1);
    progress.sent(*messages);
    let start = Reading::now(end.broker_pid)?;
    let consumer = Consumer::start(end.address, 1, &load, &queues)?;
    let consumed = consumer.run(&progress)?;
    let stop = Reading::now(end.broker_pid)?;
    consumed.connection.close()?;
    let (faults, _) = consumed.reception.into_results(*messages);
    let (_, received) = progress.totals();
    Ok(start.until(stop, received, faults.total()))
}

/// Deletes the queue.
pub(crate) fn delete(end: &EndArguments) -> Result<DeleteReport, LoadError> {
    let mut connection = Connection::open(end.address, Purpose::LOAD)?;
    let left = Topology::queue(&mut connection, &end.queue)?.delete(&mut connection)?;
    connection.close()?;
    Ok(DeleteReport { left })
}

fn declare(end: &EndArguments) -> Result<Topology, LoadError> {
    let mut connection = Connection::open(end.address, Purpose::LOAD)?;
    let topology = Topology::queue(&mut connection, &end.queue)?;
    connection.close()?;
    Ok(topology)
}
