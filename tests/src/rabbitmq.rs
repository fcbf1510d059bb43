//! A real RabbitMQ, for the tests that hold the embedded broker against it: the crate
//! `springhare-rabbitmq`, which other programs of the workspace use without the tests.

pub use springhare_rabbitmq::{Cluster, MAX_MESSAGE_SIZE, NODES, RabbitMq, is_left_out};
