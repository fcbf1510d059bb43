//! The testing kit, used as a user's tests use it: on a broker of its own, and as
//! `SPRINGHARE_TEST_URL` has it, on our server and on a real RabbitMQ.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends with a panic"
)]

/// Runs each case on every broker.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        cases!(embedded Embedded $($case)+);
        cases!(tcp Tcp $($case)+);
        cases!(rabbitmq RabbitMq $($case)+);
    };
    ($module:ident $door:ident $($case:ident)+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $case() {
                    crate::place::Door::$door.play(super::$case).await;
                }
            )+
        }
    };
}

mod place;

mod calls;
mod faults;
mod queues;
mod refused;
mod start;
