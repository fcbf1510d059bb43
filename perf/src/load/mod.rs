//! Producers to consumers: one thread a connection, and every message checked.

mod batch;
mod confirms;
mod consumer;
pub(crate) mod end;
mod producer;
mod progress;
mod reception;
mod verification;

use std::panic::resume_unwind;
use std::process;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use springhare_perf::process::cpu_seconds;
use springhare_perf::time;

pub(crate) use verification::Faults;

use consumer::{Consumed, Consumer};
use producer::{Produced, Producer};
use progress::Progress;

use crate::arguments::RunArguments;
use crate::connection::{Connection, Purpose};
use crate::error::LoadError;
use crate::histogram::Histogram;
use crate::report::{LatencyReport, LoadReport, each, per_second, seconds};
use crate::scenario::Load;
use crate::topology::Topology;

/// How long the broker is left alone before its CPU time counts.
const SETTLE: Duration = Duration::from_millis(300);

/// Runs producers and consumers until all that was sent has arrived.
pub(crate) fn run(load: &Load, run: &RunArguments) -> Result<LoadReport, LoadError> {
    let mut control = Connection::open(run.address, Purpose::LOAD)?;
    let name = format!("perf-{}", process::id());
    let topology = Topology::declare(&mut control, &name, load)?;
    let consumers = topology.consumed();
    let consumers =
        consumers.iter().map(|queues| Consumer::start(run.address, run.producers, load, queues));
    let consumers = consumers.collect::<Result<Vec<_>, _>>()?;
    let producers =
        (0..run.producers).map(|number| Producer::start(run.address, load, &topology, number));
    let producers = producers.collect::<Result<Vec<_>, _>>()?;
    time::pause(SETTLE);

    let progress = Progress::new(run.producers, topology.copies());
    let cpu_before = Cpu::read(run)?;
    let start = time::now();
    let deadline = start + time::nanoseconds(Duration::from_secs_f64(run.seconds));
    let (produced, consumed) = run_threads(producers, consumers, &progress, deadline)?;
    let cpu = Cpu::read(run)?.since(cpu_before);

    let mut outcome = Outcome::of(produced, consumed, &progress)?;
    outcome.faults.left = topology.delete(&mut control)?;
    control.close()?;
    let took = outcome.last_at.saturating_sub(start);
    let (sent, received) = progress.totals();
    Ok(LoadReport {
        scenario: run.scenario.name,
        sent,
        received,
        seconds: seconds(took),
        rate: per_second(sent, took),
        verified: sent > 0 && outcome.faults.is_none(),
        faults: outcome.faults,
        broker_cpu_us: each(cpu.broker, sent) * 1e6,
        client_cpu_us: each(cpu.client, sent) * 1e6,
        latency_us: LatencyReport::from(&outcome.latency),
    })
}

/// CPU time in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) broker: f64,
    pub(crate) client: f64,
}

impl Cpu {
    pub(crate) fn read(run: &RunArguments) -> Result<Self, LoadError> {
        let (broker, client) = (cpu_seconds(run.broker_pid)?, cpu_seconds(process::id())?);
        Ok(Self { broker, client })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { broker: self.broker - before.broker, client: self.client - before.client }
    }
}

type Ended = (Vec<Produced>, Vec<Consumed>);

fn run_threads(
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    progress: &Progress,
    deadline: u64,
) -> Result<Ended, LoadError> {
    thread::scope(|scope| {
        let consumers = consumers.into_iter().map(|consumer| {
            scope.spawn(move || consumer.run(progress).inspect_err(|_| progress.fail()))
        });
        let consumers: Vec<_> = consumers.collect();
        let producers = producers.into_iter().map(|producer| {
            scope.spawn(move || {
                let produced = producer.run(progress, deadline);
                match &produced {
                    Ok(_) => progress.producer_done(),
                    Err(_) => progress.fail(),
                }
                produced
            })
        });
        let producers: Vec<_> = producers.collect();
        let produced = producers.into_iter().map(join).collect::<Result<_, _>>();
        let consumed = consumers.into_iter().map(join).collect::<Result<_, _>>();
        Ok((produced?, consumed?))
    })
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T, LoadError>>) -> Result<T, LoadError> {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// What the threads found, together.
#[derive(Debug, Default)]
struct Outcome {
    faults: Faults,
    /// From publish to confirm where there are confirms, else to delivery.
    latency: Histogram,
    /// When the last delivery or confirm came.
    last_at: u64,
}

impl Outcome {
    /// Closes the connections, too.
    fn of(
        produced: Vec<Produced>,
        consumed: Vec<Consumed>,
        progress: &Progress,
    ) -> Result<Self, LoadError> {
        let (sent, _) = progress.totals();
        let mut outcome = Self::default();
        let mut delivery_latency = Histogram::default();
        let mut has_confirms = false;
        for producer in produced {
            producer.connection.close()?;
            outcome.last_at = outcome.last_at.max(producer.last_confirm_at);
            if let Some(confirms) = producer.confirms {
                let (confirmed, faults, latency) = confirms.into_results();
                outcome.faults.confirms += faults + producer.sent.saturating_sub(confirmed);
                outcome.latency.merge(&latency);
                has_confirms = true;
            }
        }
        for consumer in consumed {
            consumer.connection.close()?;
            outcome.last_at = outcome.last_at.max(consumer.last_at);
            let (faults, latency) = consumer.reception.into_results(sent);
            outcome.faults += faults;
            delivery_latency.merge(&latency);
        }
        if !has_confirms {
            outcome.latency = delivery_latency;
        }
        Ok(outcome)
    }
}
