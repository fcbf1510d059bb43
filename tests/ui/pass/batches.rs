//! What a handler of batches may take and return.

use std::time::Duration;

use springhare::__private::{Invoke, ListenerItem};
use springhare::prelude::*;
use springhare::{BatchError, BatchSize};

#[derive(serde::Deserialize)]
struct Order {
    _id: u64,
}

#[rabbit_listener(queue = "all", batch = 100, batch_timeout = "200ms")]
async fn all_arguments(
    #[payload] orders: Vec<Order>,
    #[header("x-id", default = 0)] ids: Vec<i64>,
    #[header("x-maybe")] maybe: Vec<Option<String>>,
    keys: Vec<RoutingKey>,
    headers: Vec<Headers>,
    correlations: Vec<Option<CorrelationId>>,
    size: BatchSize,
    channel: Channel,
    rabbit: RabbitTemplate,
    queue: QueueName,
    consumer: ConsumerTag,
    state: State<u8>,
) -> ListenerResult {
    drop((orders, ids, maybe, keys, headers, correlations, size, channel, rabbit, queue, consumer));
    drop(state);
    Err(BatchError::at(0, ListenerError::msg("no")))?
}

#[rabbit_listener(queue = "borrowed", batch = 10)]
async fn borrowed(texts: Vec<&str>, messages: Vec<Message>) -> Vec<Outcome> {
    texts.iter().zip(&messages).map(|_| Outcome::Ack).collect()
}

#[rabbit_listener(queue = "some", batch = 10)]
async fn unread(bodies: Vec<Result<Json<Order>, ListenerError>>) -> Result<Vec<Outcome>, std::io::Error> {
    Ok(bodies.into_iter().map(|_| Outcome::Reject).collect())
}

#[rabbit_listener(queue = "thread", batch = 10, blocking)]
fn on_a_thread(bodies: Vec<Bytes>) {
    drop(bodies);
}

#[rabbit_listener(queue = "tags", batch = 10, ack = "manual")]
async fn tags(tags: Vec<DeliveryTag>, channel: Channel) -> ListenerResult {
    if let Some(last) = tags.into_iter().last() {
        channel.ack_multiple(last).await?;
    }
    Ok(())
}

#[rabbit_listener(queue = "count", batch = 10)]
async fn no_list(_size: BatchSize) {}

fn main() {
    let [endpoint] = <all_arguments as ListenerItem>::ENDPOINTS else { panic!() };
    assert_eq!(endpoint.attributes.batch, Some(100));
    assert_eq!(endpoint.attributes.batch_timeout, Some(Duration::from_millis(200)));
    assert!(matches!(endpoint.invoke, Invoke::Batch(_)));
}
