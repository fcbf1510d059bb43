//! Brokers seen from the wire, byte by byte: ours, and a real RabbitMQ as the judge.
//!
//! Each case names its queues and exchanges for itself, so that all can share one broker. Where
//! RabbitMQ's answer is known to be worse than ours, the case names both.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends with a panic")]

/// Runs each case on our broker and on RabbitMQ. What our broker can't do yet is named with the
/// reason and must fail there: once it is built, the mark has to go.
macro_rules! wire {
    ($($case:ident $(= $not_yet:literal)?),+ $(,)?) => {
        mod springhare {
            $(
                #[tokio::test]
                $(#[should_panic] #[doc = $not_yet])?
                async fn $case() {
                    let server = crate::door::springhare();
                    super::$case(&server.door()).await;
                    server.assert_sound();
                }
            )+
        }

        wire_rabbitmq!(rabbitmq: $($case),+);
    };
}

/// The same, but with a broker of ours for each case alone.
macro_rules! wire_alone {
    ($($case:ident),+ $(,)?) => {
        mod springhare_alone {
            $(
                #[tokio::test]
                async fn $case() {
                    let server = crate::door::Server::start();
                    super::$case(&server.door()).await;
                    server.assert_sound();
                }
            )+
        }

        wire_rabbitmq!(rabbitmq_beside: $($case),+);
    };
}

macro_rules! wire_rabbitmq {
    ($name:ident: $($case:ident),+) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $case() {
                    let Some(door) = crate::door::rabbitmq() else { return };
                    super::$case(&door).await;
                }
            )+
        }
    };
}

mod door;
mod refused;
mod session;

mod blocked;
mod channel_errors;
mod closing;
mod connection_errors;
mod content_errors;
mod cut;
mod frame_errors;
mod idle;
mod login;
mod order;
mod permissions;
mod security;
mod shutdown;
mod tables;
mod transcripts;
mod unfinished;
mod unread;
