//! An embeddable broker with RabbitMQ's semantics and error texts.
//!
//! [`Broker::builder`] starts one in this process; its [`Connection`]s and [`Channel`]s speak AMQP
//! 0-9-1's operations. With [`listen`](BrokerBuilder::listen) any client finds the same on a
//! socket. It knows nothing of listeners.
//!
//! It is in memory, unless it is given a [data folder](BrokerBuilder::data).
//!
//! # Layout
//!
//! - `model`: what a broker is, pure: messages, exchanges, the topology, queues, channels.
//! - `engine`: the model with its locks, and everything that happens between queues.
//! - `protocol`, `server`: AMQP as a connection speaks it, and the sockets.
//! - `embedded`: the API of this crate.
//! - `clock`, `config`: time and limits.

mod clock;
mod config;
mod definitions;
mod embedded;
mod engine;
mod error;
mod model;
mod protocol;
mod server;
pub mod store;

pub use clock::{Clock, ManualClock, Sleep};
pub use config::{BrokerConfig, Durability, UnknownDurability};
pub use embedded::{
    BasicConsumeOptions, BasicPublishOptions, Broker, BrokerBuilder, Channel, Connection, Consumer,
    ExchangeDeclareOptions, IfUnused, NoAck, PublishError, PublishResult, Publisher, QosScope,
    QueueDeclareOptions, QueueDeleteOptions, Unconfirmed,
};
pub use engine::admin::AdminError;
pub use engine::events::{ChannelEvent, ConfirmOutcome};
pub use engine::outbox::ConsumerEnd;
pub use engine::publish::{Publish, ReturnedMessage};
pub use error::Error;
pub use model::access::{
    HashingAlgorithm, PasswordHashError, PatternError, PatternFault, Permission, Permissions,
    TopicPermissions, User,
};
pub use model::arguments::{QueueType, UnknownQueueType};
pub use model::definitions::{
    DefinitionsError, DefinitionsFault, DefinitionsWarning, FaultKind, Imported,
};
pub use model::delivery::{Delivery, GetOk, QueueDeclareOk};
pub use model::limits::{UserLimits, VirtualHostLimits};
pub use model::message::PublishedMessage;
pub use model::policy::{ApplyTo, Policy, PolicyError, PolicyFault, UnknownApplyTo};
pub use model::settling::{Multiple, Requeue};
pub use model::virtual_host::VirtualHostOptions;
#[cfg(feature = "tls")]
pub use server::tls::{TlsConfig, TlsError, TlsFiles};
pub use store::{RecoveryReport, StoreError};
