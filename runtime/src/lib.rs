//! Spring AMQP's programming model for Rust, with a RabbitMQ-compatible broker in the box.
//!
//! Annotate a function, run the program: the queues, exchanges and bindings exist, the messages
//! arrive.
//!
//! ```standalone_crate
//! use serde::{Deserialize, Serialize};
//! use springhare::prelude::*;
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct Order {
//!     id: u64,
//!     item: String,
//! }
//!
//! #[rabbit_listener(queue = "boot_hello")]
//! async fn fulfil(Json(order): Json<Order>, done: State<tokio::sync::mpsc::Sender<u64>>) -> ListenerResult {
//!     done.send(order.id).await?;
//!     Ok(())
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> springhare::Result<()> {
//!     let (done, mut fulfilled) = tokio::sync::mpsc::channel::<u64>(1);
//!     let app = Springhare::builder().manage(done).start().await?;
//!     let rabbit = app.rabbit_template();
//!     rabbit.convert_and_send("boot_hello", &Order { id: 1, item: "tea".into() }).await?;
//!     assert_eq!(fulfilled.recv().await, Some(1));
//!     app.stop().await
//! }
//! ```
//!
//! # Layout
//!
//! [`connection`] is the link to a broker, [`Channel`] what is done over it by hand. [`convert`]
//! turns values into bodies and back, [`extract`] takes a handler's arguments out of a delivery.
//! `template` sends and asks, `listener` receives, `declare` and `graph` are what an application declares
//! and how that is checked. [`Springhare`] is all of it, started.
//!
//! Deliberately out: the broker itself (`springhare-broker`) and AMQP's types
//! (`springhare-amqp`), of which this crate shows what its own functions take.

pub mod connection;
pub mod convert;
pub mod extract;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod middleware;
pub mod test;

mod app;
mod appender;
mod backoff;
mod channel;
mod declare;
mod describe;
mod error;
mod events;
mod graph;
mod in_time;
mod listener;
mod macros;
mod settings;
mod state;
mod template;
mod trace;
#[cfg(feature = "axum")]
pub mod web;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

/// AMQP's own types.
pub use springhare_amqp as amqp;
/// The broker in the box.
pub use springhare_broker as broker;

pub use bytes::Bytes;
pub use springhare_amqp::Message;
pub use springhare_broker::{Multiple, Publish, Requeue};
/// ```
/// use springhare::prelude::*;
///
/// #[rabbit_listener(queue = "errors", exchange = "logs", kind = "topic", key = "*.error")]
/// async fn on_error(Text(line): Text, key: RoutingKey) {
///     println!("{key}: {line}");
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let app = Springhare::builder().listeners(listeners![on_error]).start().await?;
/// app.rabbit_template().convert_and_send(("logs", "kern.error"), "disk on fire").await?;
/// app.stop().await
/// # }).unwrap();
/// ```
///
pub use springhare_macros::rabbit_listener;

pub use springhare_macros::rabbit_handler;

pub use app::{
    BatchHandler, Batches, BrokerBuilder, BrokerHandle, CLOSE_DEADLINE, Handler, Listener,
    ListenerBuilder, ListenerHandle, Listeners, OneMessage, QueueInfo, RabbitAdmin, Retry,
    STOP_DEADLINE, Springhare, SpringhareBuilder,
};
#[cfg(feature = "appender")]
pub use appender::AppenderWriter;
pub use appender::{AmqpAppender, AmqpAppenderBuilder};
pub use channel::{Channel, Consumer, DeliveryTag, SettleError};
pub use declare::{
    Binding, BindingTo, DeadLetterStrategy, Declaration, DelayedRetry, Exchange, ExchangeType,
    HashProperty, LeaderLocator, Overflow, Queue,
};
pub use describe::{DefinitionsError, Description, TopologyDiff};
pub use error::{
    CallError, Error, NotConfirmed, Place, RemoteError, Result, StartError, StartFault,
};
pub use events::{ApplicationEvent, EVENTS_MAX, Events};
#[cfg(feature = "protobuf")]
pub use extract::Protobuf;
pub use extract::{
    AppId, Attempt, BatchSize, ConsumerTag, CorrelationId, Death, DeliveryCount, ExchangeName,
    FromBatch, FromDelivery, Headers, Json, LastInBatch, MessageId, Outbox, Path, Payload,
    Properties, QueueName, ReceivedDelay, Redelivered, ReplyTo, RoutingKey, State, Text, Timestamp,
    UserId, XDeath,
};
#[cfg(feature = "garde")]
pub use extract::{Invalid, Valid};
pub use listener::attempt::HandlerTimedOut;
pub use listener::batch::{BatchError, IntoBatchOutcome};
pub use listener::context::{BatchContext, DeliveryContext};
pub use listener::discarded::{DISCARDED_MAX, DiscardReason, Discarded, DiscardedTo};
pub use listener::endpoint::{
    AcknowledgeMode, Concurrency, Invocation, PartitionBy, PartitionKey, Recover,
};
pub use listener::health::{BrokerHealth, BrokerStatus, Health, ListenerHealth, ListenerStatus};
pub use listener::invoke::HandlerPanicked;
pub use listener::outcome::{
    Disposition, IntoOutcome, ListenerError, ListenerResult, ListenerResultExt, Outcome,
    RETRY_AFTER_MAX,
};
pub use listener::policy::OnError;
pub use listener::reply::{PreparedReply, Reply, ReplyBody};
pub use settings::{ListenerSettings, STARTUP_WAIT, Startup, UnknownStartup};
pub use state::{DuplicateState, Requirements};
pub use template::{
    BatchingRabbitTemplate, BatchingStrategy, Calling, ConvertAndSend, ConvertSendAndReceive,
    IntoPublish, IntoRoute, REPLY_TIMEOUT, RabbitTemplate, Receive, ReceiveAndConvert,
    ReceiveAndReply, Route, SendAllError, Sending,
};

/// One thing that is wrong at a start, by its first name. The prelude has another
/// [`Fault`](prelude::Fault): a message that was given up.
#[deprecated(note = "it is `StartFault`, and the prelude's `Fault` is another")]
pub type Fault = StartFault;

/// What a program with listeners uses: `use springhare::prelude::*;`.
pub mod prelude {
    #[cfg(feature = "protobuf")]
    pub use crate::Protobuf;
    #[cfg(feature = "garde")]
    pub use crate::Valid;
    pub use crate::extract::Fault;
    pub use crate::{
        AppId, Attempt, BatchError, BatchSize, Binding, Bytes, Channel, ConsumerTag, CorrelationId,
        DeliveryCount, DeliveryTag, Exchange, ExchangeName, Headers, Json, LastInBatch, Listener,
        ListenerError, ListenerResult, ListenerResultExt, Message, MessageId, Outbox, Outcome,
        Path, Payload, Properties, Queue, QueueName, RabbitTemplate, ReceivedDelay, Redelivered,
        Reply, ReplyTo, Requeue, RoutingKey, Springhare, State, Text, Timestamp, UserId, XDeath,
        listeners, rabbit_handler, rabbit_listener,
    };
}
