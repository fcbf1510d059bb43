//! An application with listeners of each kind, and who keeps it busy.

use std::sync::Arc;

use springhare::__private::RabbitListenerEndpoint;
use springhare::prelude::*;

use crate::failing::{circuit, quorum};
use crate::keyed::keyed;
use crate::lane::Lane;
use crate::ledger::Ledger;
use crate::manual::manual;
use crate::outbox::{first, second};

pub(crate) fn listeners() -> Vec<&'static [&'static RabbitListenerEndpoint]> {
    listeners![
        work, memory, delayed, batch, left, right, double, manual, first, second, keyed, circuit,
        quorum
    ]
}

#[rabbit_listener(id = "work", group = "some", queue = "c.work", concurrency = 2, prefetch = 20)]
async fn work(
    number: Json<u64>,
    count: DeliveryCount,
    ledger: State<Arc<Ledger>>,
) -> ListenerResult {
    ledger.is_called("work");
    if number.0.is_multiple_of(7) && count.value() < 2 {
        return Err(ListenerError::msg("not yet"));
    }
    ledger.found(Lane::Work, number.0);
    Ok(())
}

#[rabbit_listener(
    id = "memory",
    group = "some",
    queue = "c.memory",
    retry(max_attempts = 3, backoff = "1ms..10ms")
)]
async fn memory(number: Json<u64>, ledger: State<Arc<Ledger>>) -> ListenerResult {
    ledger.is_called("memory");
    if number.0.is_multiple_of(5) && ledger.is_seen_for_the_first_time(Lane::Memory, number.0) {
        return Err(ListenerError::msg("not at once"));
    }
    ledger.found(Lane::Memory, number.0);
    Ok(())
}

#[rabbit_listener(id = "delayed", queue = "c.delayed", retry(delays = ["20ms", "100ms"]))]
async fn delayed(number: Json<u64>, ledger: State<Arc<Ledger>>) -> ListenerResult {
    ledger.is_called("delayed");
    if number.0.is_multiple_of(3) && ledger.is_seen_for_the_first_time(Lane::Delayed, number.0) {
        return Err(ListenerError::msg("later"));
    }
    ledger.found(Lane::Delayed, number.0);
    Ok(())
}

#[rabbit_listener(id = "batch", queue = "c.batch", batch = 10, batch_timeout = "50ms")]
async fn batch(numbers: Vec<Json<u64>>, ledger: State<Arc<Ledger>>) {
    ledger.is_called("batch");
    for Json(number) in numbers {
        ledger.found(Lane::Batch, number);
    }
}

#[rabbit_listener(
    id = "left",
    queue = "c.merged",
    exchange = "c.keys",
    kind = "topic",
    key = "left.*"
)]
async fn left(number: Json<u64>, ledger: State<Arc<Ledger>>) {
    ledger.is_called("left");
    ledger.found(Lane::Left, number.0);
}

#[rabbit_listener(
    id = "right",
    queue = "c.merged",
    exchange = "c.keys",
    kind = "topic",
    key = "right.*"
)]
async fn right(number: Json<u64>, ledger: State<Arc<Ledger>>) {
    // What is done to the one is done to both.
    ledger.is_called("left");
    ledger.found(Lane::Right, number.0);
}

#[rabbit_listener(id = "double", queue = "c.double")]
async fn double(number: Json<u64>, ledger: State<Arc<Ledger>>) -> Json<u64> {
    ledger.is_called("double");
    Json(number.0 * 2)
}

/// Sends one message; what is confirmed is noted.
pub(crate) async fn send(rabbit: RabbitTemplate, lane: Lane, number: u64, ledger: Arc<Ledger>) {
    if rabbit.convert_and_send(lane.route(), &number).await.is_ok() {
        ledger.confirm(lane, number);
    }
}

/// Asks for a number's double: the answer is that, or an error.
pub(crate) async fn ask(rabbit: RabbitTemplate, number: u64) {
    if let Ok(double) = rabbit.convert_send_and_receive::<u64>("c.double", &number).await {
        assert_eq!(double, number * 2);
    }
}
