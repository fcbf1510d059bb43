//! What is measured: feature `metrics`, through the facade of the same name.
//!
//! What begins with `spring_` and `rabbitmq_` has the name that Micrometer's metrics of Spring and of
//! RabbitMQ's Java client have in Prometheus, and counts the same; docs/observability.md says what is
//! different. What has none there begins with `springhare_`.
//!
//! | name | kind, labels | what |
//! |---|---|---|
//! | `spring_rabbitmq_listener_seconds` | histogram; `listener_id`, `queue`, `result`, `exception` | how long a handler took, with its retries in memory; `result` is `success` or `failure` |
//! | `spring_rabbitmq_listener_active` | gauge; `listener_id`, `queue` | messages whose handler is at work |
//! | `rabbitmq_consumed_total` | counter; `listener_id`, `queue` | messages that came to a handler |
//! | `springhare_redelivered_total` | counter; `listener_id`, `queue` | those of them that came before |
//! | `rabbitmq_acknowledged_total` | counter | messages that were acknowledged, each of those that one ack is of |
//! | `rabbitmq_rejected_total`, `rabbitmq_requeued_total` | counter | messages that were sent back, and those of them that are to come again |
//! | `springhare_parked_total` | counter; `queue`, `reason` | messages that were given up and put into that error queue |
//! | `rabbitmq_published_total` | counter | messages that the broker has been given, retry copies and parked ones and requests of calls too |
//! | `rabbitmq_acknowledged_published_total`, `rabbitmq_not_acknowledged_published_total` | counter | those that it confirmed, and refused |
//! | `rabbitmq_unrouted_published_total` | counter | those that it returned, since they reached no queue |
//! | `rabbitmq_failed_to_publish_total` | counter | messages that were not sent, or of which that is not known; once, however often it was tried |
//! | `rabbitmq_connections` | gauge; `connection` | connections that are open: `listeners`, `publisher` |
//! | `springhare_connections_opened_total` | counter; `connection` | connections that were opened, the first and each after a loss |
//!
//! [`SpringhareBuilder::metrics`](crate::SpringhareBuilder::metrics) turns it on. Whatever recorder
//! of the facade is installed gets it; with the feature `prometheus` it installs one itself, unless there
//! is one: a recorder of the program's own comes before that call. In an application with several brokers
//! each metric has the label `broker`, too. Messages are counted by deliveries, a
//! batch's by the time of the batch; all anonymous queues are the `queue` `anonymous`.

#[cfg(feature = "prometheus")]
mod exporter;

use std::time::Duration;

use metrics::{Label, counter, gauge, histogram};

#[cfg(all(feature = "prometheus", feature = "axum"))]
pub(crate) use exporter::installed;
#[cfg(feature = "prometheus")]
pub use exporter::{Prometheus, RecorderTaken, prometheus};

use crate::channel::Verdict;
use crate::listener::context::DeliveryContext;
use crate::listener::observe::{At, Observer, Observing};
use crate::listener::outcome::Outcome;
use crate::template::Fate;
use springhare_broker::Requeue;

/// Tells the facade what it sees.
#[derive(Debug)]
pub(crate) struct Metrics;

impl Observer for Metrics {
    fn delivered(&self, context: &DeliveryContext) {
        let labels = labels(context);
        gauge!("spring_rabbitmq_listener_active", labels.clone()).increment(1.0);
        counter!("rabbitmq_consumed_total", labels.clone()).increment(1);
        if context.delivery().redelivered {
            counter!("springhare_redelivered_total", labels).increment(1);
        }
    }

    fn handled(&self, context: &DeliveryContext, outcome: &Outcome, took: Duration) {
        let (result, exception) = match outcome.kind() {
            "none" => ("success", "none"),
            kind => ("failure", kind),
        };
        let mut labels = labels(context);
        gauge!("spring_rabbitmq_listener_active", labels.clone()).decrement(1.0);
        labels.extend([Label::new("result", result), Label::new("exception", exception)]);
        histogram!("spring_rabbitmq_listener_seconds", labels).record(took);
        #[cfg(feature = "prometheus")]
        exporter::after_sample();
    }

    fn abandoned(&self, listener_id: &str, queue: &str, at: At<'_>) {
        let labels = listener_labels(listener_id, queue, at);
        gauge!("spring_rabbitmq_listener_active", labels).decrement(1.0);
    }

    fn settled(&self, _epoch: u64, _tag: u64, verdict: Verdict, deliveries: u64, at: At<'_>) {
        let requeue = match verdict {
            Verdict::Ack(_) => return count(deliveries, "rabbitmq_acknowledged_total", at),
            Verdict::Nack(requeue) | Verdict::Reject(requeue) => requeue,
        };
        count(deliveries, "rabbitmq_rejected_total", at);
        if requeue == Requeue::Yes {
            count(deliveries, "rabbitmq_requeued_total", at);
        }
    }

    fn published(&self, fate: Fate, at: At<'_>) {
        let kind = match fate {
            Fate::Sent => None,
            Fate::Confirmed => Some("rabbitmq_acknowledged_published_total"),
            Fate::Refused => Some("rabbitmq_not_acknowledged_published_total"),
            Fate::Returned => Some("rabbitmq_unrouted_published_total"),
            Fate::Failed => return count(1, "rabbitmq_failed_to_publish_total", at),
        };
        count(1, "rabbitmq_published_total", at);
        if let Some(kind) = kind {
            count(1, kind, at);
        }
    }

    fn request_returned(&self, at: At<'_>) {
        count(1, "rabbitmq_unrouted_published_total", at);
    }

    fn parked(&self, queue: &str, reason: &'static str, at: At<'_>) {
        let mut labels = vec![Label::new("queue", queue.to_owned()), Label::new("reason", reason)];
        labels.extend(broker(at));
        counter!("springhare_parked_total", labels).increment(1);
    }

    fn connected(&self, connection: &'static str, at: At<'_>) {
        let labels = connection_labels(connection, at);
        counter!("springhare_connections_opened_total", labels.clone()).increment(1);
        gauge!("rabbitmq_connections", labels).increment(1.0);
    }

    fn disconnected(&self, connection: &'static str, at: At<'_>) {
        gauge!("rabbitmq_connections", connection_labels(connection, at)).decrement(1.0);
    }
}

/// Counts so many more at this broker.
fn count(more: u64, name: &'static str, at: At<'_>) {
    match at {
        None => counter!(name).increment(more),
        Some(broker) => counter!(name, "broker" => broker.to_owned()).increment(more),
    }
}

fn labels(context: &DeliveryContext) -> Vec<Label> {
    let at = context.observing().and_then(Observing::broker);
    listener_labels(context.listener_id(), &context.counted_queue(), at)
}

fn listener_labels(listener_id: &str, queue: &str, at: At<'_>) -> Vec<Label> {
    let mut labels = vec![
        Label::new("listener_id", listener_id.to_owned()),
        Label::new("queue", queue.to_owned()),
    ];
    labels.extend(broker(at));
    labels
}

fn connection_labels(connection: &'static str, at: At<'_>) -> Vec<Label> {
    let mut labels = vec![Label::new("connection", connection)];
    labels.extend(broker(at));
    labels
}

fn broker(at: At<'_>) -> Option<Label> {
    at.map(|broker| Label::new("broker", broker.to_owned()))
}
