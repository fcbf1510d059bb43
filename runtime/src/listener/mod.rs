//! Listeners: what the macro leaves behind, and what runs it.
//!
//! `endpoint` is the constant record of one `#[rabbit_listener]`, `plan` the same with its
//! placeholders resolved. A `supervisor` keeps a `consumer` running, for ever; the consumer calls
//! the handler through a `context` and settles by the `outcome`. `registry` starts and stops
//! them.
//!
//! Deliberately out: declaring (that is `graph`'s), extraction and conversion.

mod ack_gather;
mod backoff;
mod busy_pace;
mod connection;
mod consumer;
pub(crate) mod context;
pub(crate) mod endpoint;
mod failure;
mod invoke;
pub(crate) mod outcome;
mod pacing;
pub(crate) mod plan;
mod registry;
mod settle;
mod stop_signal;
mod supervisor;

pub(crate) use connection::ListenerConnection;
pub(crate) use registry::ListenerRegistry;
pub(crate) use stop_signal::StopPhase;
pub(crate) use supervisor::ListenerScope;
