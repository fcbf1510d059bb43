//! What a queue's builder refuses, RabbitMQ refuses, and the embedded broker with it; what it lets
//! through, they take.

use std::time::Duration;

use springhare::connection::{EmbeddedLink, Link};
use springhare::prelude::*;
use springhare::{DeadLetterStrategy, Error, Overflow};
use springhare_broker::QueueDeleteOptions;
use springhare_tests::{RabbitMq, amqp_link};

use crate::support::broker;

/// A call of the builder, and what to call it.
type Told = (&'static str, fn(Queue) -> Queue);

/// Every option of the builder that a kind may refuse.
const OPTIONS: [Told; 19] = [
    ("nothing", |queue| queue),
    ("exclusive", Queue::exclusive),
    ("auto-delete", Queue::auto_delete),
    ("dead letters", |queue| queue.dead_letter_queue("kinds.dead")),
    ("x-message-ttl", |queue| queue.ttl(Duration::from_secs(60))),
    ("x-expires", |queue| queue.expires(Duration::from_secs(60))),
    ("x-max-length", |queue| queue.max_length(5)),
    ("x-max-length-bytes", |queue| queue.max_length_bytes(1000)),
    ("x-overflow", |queue| queue.overflow(Overflow::RejectPublish)),
    ("x-overflow of dead letters", |queue| queue.overflow(Overflow::RejectPublishDlx)),
    ("x-max-priority", |queue| queue.max_priority(5)),
    ("x-single-active-consumer", Queue::single_active_consumer),
    ("x-delivery-limit", |queue| queue.delivery_limit(3)),
    ("x-quorum-initial-group-size", |queue| queue.quorum_initial_group_size(1)),
    ("x-dead-letter-strategy", |queue| {
        queue.dead_letter("amq.fanout").dead_letter_strategy(DeadLetterStrategy::AtMostOnce)
    }),
    ("x-queue-mode", Queue::lazy),
    ("x-initial-cluster-size", |queue| queue.initial_cluster_size(1)),
    ("x-max-age", |queue| queue.max_age(Duration::from_secs(60))),
    ("x-stream-max-segment-size-bytes", |queue| queue.max_segment_size_bytes(1 << 20)),
];

const KINDS: [Told; 3] =
    [("classic", Queue::classic), ("quorum", Queue::quorum), ("stream", Queue::stream)];

/// Whether the application refuses the queue itself, before a broker is asked.
async fn is_refused_at_start(queue: Queue) -> bool {
    let (broker, _hand) = broker();
    let builder = Springhare::builder().broker(broker).listeners(listeners![]);
    let dead = Queue::durable("kinds.dead");
    match builder.declare(queue).declare(dead).start().await {
        Ok(app) => {
            app.stop().await.unwrap();
            false
        }
        Err(Error::Start(error)) => error.faults().iter().any(|fault| {
            let text = fault.text();
            text.contains("queue, which can't be ") || text.contains("queue, which takes no ")
        }),
        Err(other) => panic!("{other}"),
    }
}

/// The code with which the broker behind `link` refuses the queue; none if it takes it.
async fn refusal(link: &dyn Link, queue: &Queue) -> Option<u16> {
    let connection = link.connect("kinds").await.unwrap();
    let channel = connection.open_channel().await.unwrap();
    let code = match channel.queue_declare(queue.name(), queue.options()).await {
        Ok(_) => {
            let delete = QueueDeleteOptions::default();
            channel.queue_delete(queue.name(), delete).await.unwrap();
            None
        }
        Err(error) => Some(error.amqp().unwrap().code().code()),
    };
    connection.close().await.unwrap();
    code
}

#[tokio::test]
async fn what_the_builder_refuses_the_brokers_refuse() {
    let rabbitmq = RabbitMq::shared().map(|node| amqp_link(node.address()));
    let embedded = EmbeddedLink::new(broker().0);
    for (kind, of_kind) in KINDS {
        for (option, with) in OPTIONS {
            for (lifetime, queue) in [
                ("durable", Queue::durable("kinds.queue")),
                ("transient", Queue::transient("kinds.queue")),
            ] {
                let what = format!("{lifetime} {kind} with {option}");
                let queue = with(of_kind(queue));
                let expected = is_refused_at_start(queue.clone()).await.then_some(406);
                assert_eq!(refusal(&embedded, &queue).await, expected, "embedded: {what}");
                if let Some(rabbitmq) = &rabbitmq {
                    assert_eq!(refusal(rabbitmq, &queue).await, expected, "RabbitMQ: {what}");
                }
            }
        }
    }
}
