//! What the tests of springhare share: a real RabbitMQ to hold the broker against, a link to it
//! whose calls all wait for it, a peer that speaks in bytes, and waiting for conditions instead of
//! times.

mod amqp;
mod barrier_link;
mod eventually;
mod proxy;
mod rabbitmq;
pub mod raw;

pub use amqp::amqp_link;
pub use barrier_link::BarrierLink;
pub use eventually::{LIMIT, eventually, within_limit};
pub use proxy::Proxy;
pub use rabbitmq::{Cluster, MAX_MESSAGE_SIZE, NODES, RabbitMq, is_left_out};
