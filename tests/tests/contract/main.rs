//! What a user sees, written once and run on every broker that there is a link to: `embedded`, `tcp`
//! (the same behind a socket) and `rabbitmq`, a real one as the judge. Both sockets are reached
//! through the runtime's own client.
//!
//! The cases of `applications` are about listeners and the template; each has a broker, or a virtual
//! host of RabbitMQ, of its own. All others are about the broker, against the runtime's link; each
//! names its queues and exchanges for itself, so that all can share one broker. They are noted, and
//! fail where ours answers otherwise than RabbitMQ.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends with a panic"
)]

/// Runs each case of the link on our broker through both of its doors, and on RabbitMQ, and lays the
/// answers side by side. What our broker can't do yet is named with the reason (after `=`) and must
/// fail there: once it is built, the mark has to go. What a connection of this process does
/// otherwise has its reason after a colon, and why a case takes another way in each run, on any
/// broker, stands after a tilde.
macro_rules! contract {
    ($(
        $case:ident $(= $not_yet:literal)? $(: $embedded:literal)? $(~ $chance:literal)?
    ),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test]
                $(#[should_panic] #[doc = $not_yet])?
                $(#[should_panic] #[doc = $embedded])?
                async fn $case() {
                    crate::doors::embedded(case!($case $($chance)?), super::$case).await;
                }
            )+
        }

        mod tcp {
            $(
                #[tokio::test]
                $(#[should_panic] #[doc = $not_yet])?
                async fn $case() {
                    crate::doors::tcp(case!($case $($chance)?), super::$case).await;
                }
            )+
        }

        mod rabbitmq {
            $(
                #[tokio::test]
                async fn $case() {
                    crate::doors::rabbitmq(case!($case $($chance)?), super::$case).await;
                }
            )+
        }
    };
}

/// Runs each case of the link on our broker alone, through both of its doors: RabbitMQ 3.10, the
/// judge, has not what it is about, or has it wrong, as is said after the arrow.
macro_rules! contract_beyond {
    ($($case:ident > $why:literal),+ $(,)?) => {
        mod beyond_rabbitmq {
            mod embedded {
                $(
                    #[tokio::test]
                    #[doc = $why]
                    async fn $case() {
                        crate::doors::embedded_alone(case!($case), super::super::$case).await;
                    }
                )+
            }

            mod tcp {
                $(
                    #[tokio::test]
                    #[doc = $why]
                    async fn $case() {
                        crate::doors::tcp_alone(case!($case), super::super::$case).await;
                    }
                )+
            }
        }
    };
}

/// A case of the link by its name.
macro_rules! case {
    ($case:ident) => {
        crate::doors::Case { name: case_name!($case), by_chance: None }
    };
    ($case:ident $chance:literal) => {
        crate::doors::Case { name: case_name!($case), by_chance: Some($chance) }
    };
}

/// Runs each case of applications in a process with its broker, and by URL on ours and on RabbitMQ.
macro_rules! application {
    ($($case:ident),+ $(,)?) => {
        application!(embedded Embedded $($case)+);
        application!(tcp Tcp $($case)+);
        application!(rabbitmq RabbitMq $($case)+);
    };
    ($module:ident $door:ident $($case:ident)+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $case() {
                    let door = crate::place::Door::$door;
                    door.play(case_name!($case), super::$case).await;
                }
            )+
        }
    };
}

/// The name of a case, without that of the door.
macro_rules! case_name {
    ($case:ident) => {
        concat!(file!(), " ", stringify!($case))
    };
}

mod doors;
mod features;
mod place;
mod support;

mod applications;
mod arguments;
mod auto_delete;
mod cancel;
mod channels;
mod confirms;
mod consumer_priority;
mod consumers;
mod counts;
mod dead_letter_deaths;
mod dead_letter_loop;
mod dead_letters;
mod dealing;
mod declare_exchange;
mod declare_queue;
mod default_exchange;
mod delayed_retry;
mod delivery_limit;
mod delivery_tags;
mod exchange_types;
mod expiry;
mod headers;
mod length;
mod locked;
mod messages;
mod missing;
mod prefetch;
mod priority;
mod publish_errors;
mod publisher;
mod queue_expiry;
mod queue_kinds;
mod reply_to;
mod requeue;
mod reserved;
mod routing;
mod sender_selected;
mod single_active;
mod streams;
mod topic;
