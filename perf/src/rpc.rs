//! One call after the other by RabbitMQ's direct reply-to: a client that waits for each reply,
//! and a server that sends the request's body back.

use std::panic::resume_unwind;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;
use springhare_amqp::wire::method::basic::{Consume, Publish};
use springhare_amqp::wire::{
    ContentHeader, Frame, FrameKind, encode_body_frame, encode_header_frame, encode_method_frame,
};
use springhare_amqp::{BasicProperties, DeliveryMode, MessageProperties, MethodId, ShortString};
use springhare_perf::stamp::Stamp;
use springhare_perf::time;

use crate::arguments::RunArguments;
use crate::connection::{CHANNEL, Connection, Purpose, method};
use crate::error::LoadError;
use crate::histogram::Histogram;
use crate::load::{Cpu, Faults};
use crate::report::{LatencyReport, LoadReport, each, per_second, seconds};
use crate::topology::{declare_queue, delete_queue};

/// The pseudo-queue of direct reply-to.
const REPLY_TO: ShortString = ShortString::from_static("amq.rabbitmq.reply-to");
/// How long a reply may take.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

/// Calls until the time is over.
pub(crate) fn run(body_bytes: usize, run: &RunArguments) -> Result<LoadReport, LoadError> {
    let queue = ShortString::new(format!("perf-{}", process::id()))?;
    let server = start_server(run, &queue)?;
    let client = Client::start(run, queue.clone(), body_bytes)?;
    let stop = AtomicBool::new(false);
    let cpu_before = Cpu::read(run)?;
    let start = time::now();
    let deadline = start + time::nanoseconds(Duration::from_secs_f64(run.seconds));
    let (called, mut server) = thread::scope(|scope| {
        let serving = scope.spawn(|| serve(server, &stop));
        let called = client.call_until(deadline);
        stop.store(true, Ordering::Relaxed);
        let server = serving.join().unwrap_or_else(|panic| resume_unwind(panic));
        called.and_then(|called| Ok((called, server?)))
    })?;
    let cpu = Cpu::read(run)?.since(cpu_before);
    server.call(&delete_queue(queue), MethodId::QUEUE_DELETE_OK)?;
    server.close()?;
    let Called { connection, calls, wrong, latency, last_at } = called;
    connection.close()?;
    let faults = Faults { corrupt: wrong, ..Faults::default() };
    Ok(LoadReport {
        scenario: run.scenario.name,
        sent: calls,
        received: calls,
        seconds: seconds(last_at - start),
        rate: per_second(calls, last_at - start),
        verified: calls > 0 && faults.is_none(),
        faults,
        broker_cpu_us: each(cpu.broker, calls) * 1e6,
        client_cpu_us: each(cpu.client, calls) * 1e6,
        latency_us: LatencyReport::from(&latency),
    })
}

fn start_server(run: &RunArguments, queue: &ShortString) -> Result<Connection, LoadError> {
    let mut connection = Connection::open(run.address, Purpose::LOAD)?;
    connection.call(&declare_queue(queue.clone(), false), MethodId::QUEUE_DECLARE_OK)?;
    connection.call(&consume(queue.clone()), MethodId::BASIC_CONSUME_OK)?;
    Ok(connection)
}

fn consume(queue: ShortString) -> Consume {
    Consume { queue, no_ack: true, ..Consume::default() }
}

/// Answers requests until `stop` is set.
fn serve(mut connection: Connection, stop: &AtomicBool) -> Result<Connection, LoadError> {
    let mut request = MessageProperties::default();
    while !stop.load(Ordering::Relaxed) {
        connection.fill()?;
        let (input, output) = connection.halves();
        while let Some(frame) = input.next_frame()? {
            match frame.kind {
                FrameKind::Header => request = properties(frame)?,
                FrameKind::Body => {
                    let properties = BasicProperties {
                        delivery_mode: Some(DeliveryMode::Transient),
                        correlation_id: request.correlation_id.clone(),
                        ..BasicProperties::NONE
                    };
                    let reply_to = request.reply_to.clone().unwrap_or_default();
                    encode(reply_to, &properties.into(), frame.payload, output);
                }
                FrameKind::Method | FrameKind::Heartbeat => method(frame).map(drop)?,
            }
        }
        connection.flush()?;
    }
    Ok(connection)
}

fn properties(frame: Frame<'_>) -> Result<MessageProperties, LoadError> {
    Ok(MessageProperties::parse(ContentHeader::decode(frame.payload)?.properties)?)
}

/// Appends a publish to the default exchange.
fn encode(
    routing_key: ShortString,
    properties: &MessageProperties,
    body: &[u8],
    out: &mut BytesMut,
) {
    encode_method_frame(CHANNEL, &Publish { routing_key, ..Publish::default() }, out);
    encode_header_frame(CHANNEL, body.len() as u64, properties, out);
    encode_body_frame(CHANNEL, body, out);
}

/// Who calls.
#[derive(Debug)]
struct Client {
    connection: Connection,
    queue: ShortString,
    body: Vec<u8>,
    calls: u64,
    wrong: u64,
    latency: Histogram,
}

/// What came of the calls.
#[derive(Debug)]
struct Called {
    connection: Connection,
    calls: u64,
    /// Replies that were not to the call that was waiting.
    wrong: u64,
    latency: Histogram,
    last_at: u64,
}

impl Client {
    fn start(run: &RunArguments, queue: ShortString, size: usize) -> Result<Self, LoadError> {
        let mut connection = Connection::open(run.address, Purpose::LOAD)?;
        connection.call(&consume(REPLY_TO), MethodId::BASIC_CONSUME_OK)?;
        let (body, latency) = (vec![b'x'; size], Histogram::default());
        Ok(Self { connection, queue, body, calls: 0, wrong: 0, latency })
    }

    fn call_until(mut self, deadline: u64) -> Result<Called, LoadError> {
        let mut now = time::now();
        while now < deadline {
            self.call(now)?;
            let replied_at = time::now();
            self.latency.record(replied_at - now);
            self.calls += 1;
            now = replied_at;
        }
        let Self { connection, calls, wrong, latency, .. } = self;
        Ok(Called { connection, calls, wrong, latency, last_at: now })
    }

    fn call(&mut self, now: u64) -> Result<(), LoadError> {
        let stamp = Stamp { producer: 0, sequence: self.calls, at: now };
        stamp.write(&mut self.body);
        let correlation_id = Some(ShortString::new(self.calls.to_string())?);
        let properties = BasicProperties {
            delivery_mode: Some(DeliveryMode::Transient),
            correlation_id: correlation_id.clone(),
            reply_to: Some(REPLY_TO),
            ..BasicProperties::NONE
        };
        let (_, output) = self.connection.halves();
        encode(self.queue.clone(), &properties.into(), &self.body, output);
        self.connection.flush()?;
        let mut reply = MessageProperties::default();
        loop {
            let (input, _) = self.connection.halves();
            while let Some(frame) = input.next_frame()? {
                match frame.kind {
                    FrameKind::Header => reply = self::properties(frame)?,
                    FrameKind::Body => {
                        let is_right = reply.correlation_id == correlation_id
                            && Stamp::read(frame.payload) == Some(stamp);
                        self.wrong += u64::from(!is_right);
                        return Ok(());
                    }
                    FrameKind::Method | FrameKind::Heartbeat => method(frame).map(drop)?,
                }
            }
            if time::now() - now > time::nanoseconds(REPLY_LIMIT) {
                let seconds = REPLY_LIMIT.as_secs();
                return Err(LoadError::NoAnswer { expected: "reply", seconds });
            }
            self.connection.fill()?;
        }
    }
}
