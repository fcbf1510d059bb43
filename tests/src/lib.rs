//! What the tests of springhare share: a real RabbitMQ to hold the broker against, a link to it
//! over a client that is not ours, a peer that speaks in bytes, and waiting for conditions instead
//! of times.

mod eventually;
mod lapin_link;
mod rabbitmq;
pub mod raw;

pub use eventually::{LIMIT, eventually, within_limit};
pub use lapin_link::LapinLink;
pub use rabbitmq::{MAX_MESSAGE_SIZE, RabbitMq};
