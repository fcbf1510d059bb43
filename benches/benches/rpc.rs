//! Requests and replies in one process, one call at a time and 64 in flight, on one worker and on two:
//! `convert_send_and_receive` to a listener that returns its reply, and, below it, `send_and_receive` to a
//! bare channel that sends the body back. On the embedded broker, or on that of `SPRINGHARE_URL`.
//!
//! `cargo bench -p springhare-benches --bench rpc`; with `--features mimalloc` on that allocator.

use std::time::Duration;

use bytes::Bytes;
use springhare::broker::{BasicConsumeOptions, QueueDeclareOptions};
use springhare::prelude::*;
use springhare::{CallError, Error};
use springhare_amqp::{BasicProperties, DeliveryMode, Property};
use springhare_benches::{Way, percentiles, report};
use tokio::task::JoinSet;

const CALLS: u32 = 51_200;
/// Over a socket.
const CALLS_FEWER: u32 = 6_400;
const IN_FLIGHT: u32 = 64;
const ROUNDS: usize = 5;
const QUEUE: &str = "springhare-bench-rpc";
const BODY: Bytes = Bytes::from_static(&[7; 16]);
const LISTENERS_QUEUE: &str = "springhare-bench-rpc-listener";
const NUMBER: u64 = 1_000_000_000_000_000;

/// Answers with the next number.
#[rabbit_listener(queue = "springhare-bench-rpc-listener", durable = false)]
async fn next(Json(number): Json<u64>) -> Json<u64> {
    Json(number + 1)
}

/// Sends every request's body back.
async fn echo(channel: Channel, queue: &str) -> Result<(), Error> {
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut requests = channel.basic_consume(queue, "", options).await?;
    while let Some(request) = requests.recv().await {
        let request = &request.message.message;
        let properties = BasicProperties {
            delivery_mode: Some(DeliveryMode::Transient),
            correlation_id: request.properties.text(Property::CorrelationId),
            ..BasicProperties::NONE
        };
        let reply = Message::new(request.body.clone()).with_properties(properties);
        let address = request.properties.text(Property::ReplyTo).unwrap_or_default();
        channel.basic_publish("", &address, Default::default(), reply).await?;
    }
    Ok(())
}

/// What calls are made, and who answers.
#[derive(Clone, Copy)]
enum Calls {
    /// Numbers, to the listener `next`.
    ToListener,
    /// Bytes, to `echo`.
    ToChannel,
}

impl Calls {
    async fn call(self, rabbit: &RabbitTemplate) -> Result<(), CallError> {
        match self {
            Self::ToListener => {
                let reply =
                    rabbit.convert_send_and_receive::<u64>(LISTENERS_QUEUE, &NUMBER).await?;
                assert_eq!(reply, NUMBER + 1, "the listener's value comes back");
            }
            Self::ToChannel => {
                let reply = rabbit.send_and_receive(QUEUE, Message::new(BODY)).await?;
                assert_eq!(reply.body, BODY, "the body comes back");
            }
        }
        Ok(())
    }

    async fn one_at_a_time(self, rabbit: RabbitTemplate, calls: u32) -> Result<(), CallError> {
        for _ in 0..calls {
            self.call(&rabbit).await?;
        }
        Ok(())
    }

    async fn many_in_flight(self, rabbit: RabbitTemplate, calls: u32) -> Result<(), CallError> {
        let mut callers = JoinSet::new();
        for _ in 0..IN_FLIGHT {
            callers.spawn(self.one_at_a_time(rabbit.clone(), calls / IN_FLIGHT));
        }
        callers.join_all().await.into_iter().collect()
    }

    async fn times(self, rabbit: RabbitTemplate, calls: u32) -> Result<Vec<Duration>, CallError> {
        let mut times = Vec::new();
        for _ in 0..calls {
            times.push(springhare_benches::timed(self.call(&rabbit)).await?);
        }
        Ok(times)
    }
}

/// Runs on a worker, as the responder does.
async fn on_a_worker<T: Send + 'static>(
    calls: impl Future<Output = Result<T, CallError>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(calls).await {
        Ok(called) => Ok(called?),
        Err(panic) => Err(Error::Other(panic.into())),
    }
}

async fn measure(workers: &str) -> Result<(), Error> {
    let is_remote = std::env::var_os("SPRINGHARE_URL").is_some();
    let (place, calls) = if is_remote { ("remote", CALLS_FEWER) } else { ("embedded", CALLS) };
    let app = Springhare::builder().listeners(listeners![next]).start().await?;
    let rabbit = app.rabbit_template();
    let declared = rabbit.execute(|channel| async move {
        let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
        Ok(channel.queue_declare(QUEUE, options).await?)
    });
    declared.await?;
    let responder = rabbit.clone();
    tokio::spawn(async move { responder.execute(|channel| echo(channel, QUEUE)).await });
    for (kind, name) in [(Calls::ToListener, "listener"), (Calls::ToChannel, "bare channel")] {
        let mut ways = [Way::new("one at a time"), Way::new("64 in flight")];
        for _ in 0..ROUNDS {
            let [one, many] = &mut ways;
            one.measure_async(calls, on_a_worker(kind.one_at_a_time(rabbit.clone(), calls)))
                .await?;
            many.measure_async(calls, on_a_worker(kind.many_in_flight(rabbit.clone(), calls)))
                .await?;
        }
        report(&format!("calls, 16 B, {name}, {place}, {workers}"), &ways);
        percentiles("one at a time", on_a_worker(kind.times(rabbit.clone(), calls)).await?);
    }
    app.stop().await
}

fn main() -> Result<(), Error> {
    for (workers, name) in [(1, "one worker"), (2, "two workers")] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()
            .map_err(|error| Error::Other(error.into()))?;
        runtime.block_on(measure(name))?;
    }
    Ok(())
}
