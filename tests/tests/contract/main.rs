//! What a broker does, written once against the runtime's link and run on every broker that
//! there is a link to: the embedded one, the same behind a socket, and a real RabbitMQ as the judge.
//! Both sockets are reached through the runtime's own client.
//!
//! Each case names its queues and exchanges for itself, so that all can share one broker.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends with a panic"
)]

/// Runs each case on our broker through both of its doors, and on RabbitMQ. What our broker can't
/// do yet is named with the reason (after `=`) and must fail there: once it is built, the mark has
/// to go. What a connection of this process does otherwise has its reason after a colon.
macro_rules! contract {
    ($($case:ident $(= $not_yet:literal)? $(: $embedded:literal)?),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test]
                $(#[should_panic] #[doc = $not_yet])?
                $(#[should_panic] #[doc = $embedded])?
                async fn $case() {
                    super::$case(&crate::support::embedded()).await;
                }
            )+
        }

        mod served {
            $(
                #[tokio::test]
                $(#[should_panic] #[doc = $not_yet])?
                async fn $case() {
                    let served = crate::support::Served::start();
                    super::$case(served.link()).await;
                }
            )+
        }

        mod rabbitmq {
            $(
                #[tokio::test]
                async fn $case() {
                    let Some(link) = crate::support::rabbitmq() else { return };
                    super::$case(&link).await;
                }
            )+
        }
    };
}

mod support;

mod arguments;
mod auto_delete;
mod cancel;
mod channels;
mod confirms;
mod consumers;
mod counts;
mod dead_letters;
mod dealing;
mod declare_exchange;
mod declare_queue;
mod default_exchange;
mod delivery_tags;
mod headers;
mod locked;
mod messages;
mod missing;
mod prefetch;
mod publish_errors;
mod publisher;
mod reply_to;
mod requeue;
mod reserved;
mod routing;
mod topic;
