//! RabbitMQ as it is installed on this machine, started for a test, a measurement or a drill:
//! [`RabbitMq`] is one node, [`Cluster`] is three.
//!
//! Each node listens on the loopback address only, on ports of its own, keeps everything in a
//! directory of its own and needs no epmd. It ends with the process that started it, however that
//! ends; only what [`Node::spawn`] starts stays, until somebody ends it by its process id.
//!
//! # Layout
//!
//! `installation` finds the programs, `ports` those that nobody uses. [`Node`] is how a node is
//! started, `evaluation` what it can be asked while it runs, `definitions` what it has, [`Process`] what runs, `keeper` what
//! ties that to its parent. [`ClusterLayout`] is three nodes that know one another. `wait` bounds
//! every wait.
//!
//! Everything here blocks its thread.

mod cluster;
mod definitions;
mod evaluation;
mod installation;
mod keeper;
mod layout;
mod node;
mod ports;
mod process;
mod rabbitmq;
mod wait;

pub use cluster::Cluster;
pub use layout::{ClusterLayout, ClusterPorts, NODES};
pub use node::Node;
pub use process::Process;
pub use rabbitmq::{MAX_MESSAGE_SIZE, RabbitMq, is_left_out};
