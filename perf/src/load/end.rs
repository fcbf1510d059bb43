//! One end of a stream alone, whose other end is another program: a client that is measured.

use std::thread;
use std::time::Duration;

use springhare_perf::reading::{EndReport, Reading};
use springhare_perf::time;

use super::consumer::Consumer;
use super::join;
use super::producer::Producer;
use super::progress::Progress;
use crate::arguments::{ConsumeArguments, EndArguments, PublishArguments};
use crate::connection::{Connection, Purpose};
use crate::error::LoadError;
use crate::report::QueueReport;
use crate::scenario::{CONFIRM_1000, FEED, Load, Settling};
use crate::topology::Topology;

/// How long publishing may take.
const PUBLISH_LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at how many messages wait for a consumer.
const WATCH_PAUSE: Duration = Duration::from_millis(5);

/// Publishes so many messages. With confirms it waits for them all; a feed is done when the last
/// message is written.
pub(crate) fn publish(publish: &PublishArguments) -> Result<EndReport, LoadError> {
    let PublishArguments { end, messages, feed } = publish;
    let load = if *feed { FEED } else { CONFIRM_1000 };
    let load = Load { messages_max: *messages, ..load };
    let mut control = Connection::open(end.address, Purpose::LOAD)?;
    let topology = Topology::queue(&mut control, &end.queue)?;
    let producer = Producer::start(end.address, &load, &topology, 0)?;
    let progress = Progress::new(1, 1);
    let start = Reading::now(end.broker_pid)?;
    let deadline = time::now() + time::nanoseconds(PUBLISH_LIMIT);
    let produced = thread::scope(|scope| {
        let progress = &progress;
        let producer = scope.spawn(move || {
            let produced = producer.run(progress, deadline);
            progress.producer_done();
            produced
        });
        if *feed {
            let watched = watch(&mut control, &end.queue, progress);
            watched.inspect_err(|_| progress.fail())?;
        }
        join(producer)
    })?;
    let stop = Reading::now(end.broker_pid)?;
    produced.connection.close()?;
    control.close()?;
    let Some(confirms) = produced.confirms else {
        return Ok(start.until(stop, produced.sent, messages.saturating_sub(produced.sent)));
    };
    let (confirmed, faults, _) = confirms.into_results();
    Ok(start.until(stop, confirmed, faults + messages.saturating_sub(confirmed)))
}

/// Tells the producer how many of its messages have left the queue, until it is done.
fn watch(control: &mut Connection, queue: &str, progress: &Progress) -> Result<(), LoadError> {
    while !progress.is_sent() {
        let (sent, _) = progress.totals();
        let ready = Topology::ready(control, queue)?;
        progress.received_at_least(sent.saturating_sub(ready));
        time::pause(WATCH_PAUSE);
    }
    Ok(())
}

/// Consumes so many messages, all of them of one publisher that counts them from 0.
pub(crate) fn consume(consume: &ConsumeArguments) -> Result<EndReport, LoadError> {
    let ConsumeArguments { end, messages, auto_ack } = consume;
    let settling = if *auto_ack { Settling::Automatic } else { CONFIRM_1000.settling };
    let load = Load { settling, ..CONFIRM_1000 };
    let mut control = Connection::open(end.address, Purpose::LOAD)?;
    let queues = Topology::queue(&mut control, &end.queue)?.consumed().concat();
    control.close()?;
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

/// Declares the queue.
pub(crate) fn declare(end: &EndArguments) -> Result<QueueReport, LoadError> {
    let mut connection = Connection::open(end.address, Purpose::LOAD)?;
    Topology::queue(&mut connection, &end.queue)?;
    let ready = Topology::ready(&mut connection, &end.queue)?;
    connection.close()?;
    Ok(QueueReport { ready })
}

/// Deletes the queue.
pub(crate) fn delete(end: &EndArguments) -> Result<QueueReport, LoadError> {
    let mut connection = Connection::open(end.address, Purpose::LOAD)?;
    let ready = Topology::queue(&mut connection, &end.queue)?.delete(&mut connection)?;
    connection.close()?;
    Ok(QueueReport { ready })
}
