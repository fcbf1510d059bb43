//! The Rust clients, `lapin` and `amqprs`, against the own broker's server and a real RabbitMQ.
//!
//! The same checks as those of the clients in other languages, see `tests/clients/README.md`.
//! Names are unique within a broker, so that all cases can share one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends with a panic")]

/// Runs each case on a broker of ours and on RabbitMQ.
macro_rules! on_both_brokers {
    ($($case:ident),+ $(,)?) => {
        mod springhare {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(&crate::broker::springhare()).await;
                }
            )+
        }

        mod rabbitmq {
            $(
                #[tokio::test]
                async fn $case() {
                    let Some(broker) = crate::broker::rabbitmq() else { return };
                    super::$case(&broker).await;
                }
            )+
        }
    };
}

mod broker;
mod with_amqprs;
mod with_lapin;
