//! What the tests of springhare share: a real RabbitMQ to hold the broker against, links that wait
//! for all their calls, that note what they are answered and whose time a hand drives, a peer that speaks in bytes, what a
//! test hears of its handlers, and waiting for conditions instead of times.

mod amqp;
mod barrier_link;
mod clocked_link;
mod eventually;
mod handlers;
mod pausing;
mod proxy;
mod rabbitmq;
pub mod raw;
mod recording;
mod template;
mod virtual_host;

pub use amqp::amqp_link;
pub use barrier_link::BarrierLink;
pub use clocked_link::ClockedLink;
pub use eventually::{LIMIT, eventually, within_limit};
pub use handlers::{Gate, Tell, Told, telling};
pub use pausing::{has_status, pausing};
pub use proxy::Proxy;
pub use rabbitmq::{Cluster, MAX_MESSAGE_SIZE, NODES, RabbitMq, is_left_out};
pub use recording::{Record, Recorder, RecordingLink};
pub use template::{arrives, header_number, header_text, ready};
pub use virtual_host::VirtualHost;
