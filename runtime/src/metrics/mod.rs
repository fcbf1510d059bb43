//! What is measured: feature `metrics`, through the facade of the same name.
//!
//! The names are those that Micrometer gives Spring's in Prometheus, so that a dashboard of theirs
//! shows ours. What has none there begins with `springhare_`.
//!
//! | name | kind, labels | what |
//! |---|---|---|
//! | `spring_rabbitmq_listener_seconds` | histogram; `listener_id`, `queue`, `result`, `exception` | how long a handler took, with its retries in memory; `result` is `success` or `failure` |
//! | `spring_rabbitmq_listener_active` | gauge; `listener_id`, `queue` | messages whose handler is at work |
//! | `rabbitmq_consumed_total` | counter; `listener_id`, `queue` | messages that came to a handler |
//! | `springhare_redelivered_total` | counter; `listener_id`, `queue` | those of them that came before |
//! | `rabbitmq_rejected_total`, `springhare_requeued_total` | counter | messages that were sent back: for good, and to come again |
//! | `springhare_parked_total` | counter; `queue`, `reason` | messages that were given up and put into that error queue |
//! | `rabbitmq_published_total` | counter | messages that the broker has been given, retry copies and parked ones too; not the requests of calls |
//! | `rabbitmq_acknowledged_published_total`, `rabbitmq_not_acknowledged_published_total` | counter | those that it confirmed, and refused |
//! | `rabbitmq_unrouted_published_total` | counter | those that it returned, since they reached no queue |
//! | `rabbitmq_failed_to_publish_total` | counter | messages that were not sent, or of which that is not known; once, however often it was tried |
//! | `rabbitmq_connections` | gauge; `connection` | connections that are open: `listeners`, `publisher` |
//! | `springhare_connections_opened_total` | counter; `connection` | connections that were opened, the first and each after a loss |
//!
//! [`SpringhareBuilder::metrics`](crate::SpringhareBuilder::metrics) turns it on. Whatever recorder
//! of the facade is installed gets it; with the feature `prometheus` it installs one itself, unless there
//! is one: a recorder of the program's own comes before that call. Messages are counted by deliveries, a
//! batch's by the time of the batch; all anonymous queues are the `queue` `anonymous`.

#[cfg(feature = "prometheus")]
mod exporter;

use std::time::Duration;

use metrics::{counter, gauge, histogram};

#[cfg(all(feature = "prometheus", feature = "axum"))]
pub(crate) use exporter::installed;
#[cfg(feature = "prometheus")]
pub use exporter::{Prometheus, RecorderTaken, prometheus};

use crate::channel::Verdict;
use crate::connection::Confirmation;
use crate::error::{Error, NotConfirmed, Result};
use crate::listener::context::DeliveryContext;
use crate::listener::observe::Observer;
use crate::listener::outcome::Outcome;
use springhare_broker::Requeue;

/// Tells the facade what it sees.
#[derive(Debug)]
pub(crate) struct Metrics;

impl Observer for Metrics {
    fn delivered(&self, context: &DeliveryContext) {
        let [listener, queue] = labels(context);
        gauge!("spring_rabbitmq_listener_active", "listener_id" => listener.clone(), "queue" => queue.clone())
            .increment(1.0);
        counter!("rabbitmq_consumed_total", "listener_id" => listener.clone(), "queue" => queue.clone())
            .increment(1);
        if context.delivery().redelivered {
            counter!("springhare_redelivered_total", "listener_id" => listener, "queue" => queue)
                .increment(1);
        }
    }

    fn handled(&self, context: &DeliveryContext, outcome: &Outcome, took: Duration) {
        let [listener, queue] = labels(context);
        let (result, exception) = match outcome.kind() {
            "none" => ("success", "none"),
            kind => ("failure", kind),
        };
        histogram!(
            "spring_rabbitmq_listener_seconds",
            "listener_id" => listener,
            "queue" => queue,
            "result" => result,
            "exception" => exception,
        )
        .record(took);
        self.abandoned(context.listener_id(), &context.counted_queue());
        #[cfg(feature = "prometheus")]
        exporter::after_sample();
    }

    fn abandoned(&self, listener_id: &str, queue: &str) {
        let [listener, queue] = [listener_id, queue].map(str::to_owned);
        gauge!("spring_rabbitmq_listener_active", "listener_id" => listener, "queue" => queue)
            .decrement(1.0);
    }

    fn settled(&self, _epoch: u64, _delivery_tag: u64, verdict: Verdict) {
        match verdict {
            Verdict::Ack(_) => {}
            Verdict::Nack(Requeue::Yes) | Verdict::Reject(Requeue::Yes) => {
                counter!("springhare_requeued_total").increment(1);
            }
            Verdict::Nack(Requeue::No) | Verdict::Reject(Requeue::No) => {
                counter!("rabbitmq_rejected_total").increment(1);
            }
        }
    }

    fn published(&self, result: &Result<()>, confirmation: Confirmation) {
        let kind = match result {
            Ok(()) if confirmation == Confirmation::Awaited => {
                Some("rabbitmq_acknowledged_published_total")
            }
            Ok(()) => None,
            Err(Error::Unroutable(_)) => Some("rabbitmq_unrouted_published_total"),
            Err(Error::NotConfirmed(NotConfirmed::Refused(_))) => {
                Some("rabbitmq_not_acknowledged_published_total")
            }
            Err(_) => {
                counter!("rabbitmq_failed_to_publish_total").increment(1);
                return;
            }
        };
        counter!("rabbitmq_published_total").increment(1);
        if let Some(kind) = kind {
            counter!(kind).increment(1);
        }
    }

    fn parked(&self, queue: &str, reason: &'static str) {
        counter!("springhare_parked_total", "queue" => queue.to_owned(), "reason" => reason)
            .increment(1);
    }

    fn connected(&self, connection: &'static str) {
        counter!("springhare_connections_opened_total", "connection" => connection).increment(1);
        gauge!("rabbitmq_connections", "connection" => connection).increment(1.0);
    }

    fn disconnected(&self, connection: &'static str) {
        gauge!("rabbitmq_connections", "connection" => connection).decrement(1.0);
    }
}

fn labels(context: &DeliveryContext) -> [String; 2] {
    [context.listener_id().to_owned(), context.counted_queue().to_string()]
}
