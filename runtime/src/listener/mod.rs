//! Listeners: what the macro leaves behind, and what runs it.
//!
//! `endpoint` is the constant record of one `#[rabbit_listener]`, `plan` the same with its
//! placeholders resolved. A `container` is what shares consumers: a listener alone, or several that
//! `dispatch` divides a queue's messages among. A `supervisor` keeps a `consumer` running, for ever; the consumer calls
//! the handler through a `context` and settles by the `outcome`. `connection` is what they share
//! and get back together. `registry` starts and stops them, and says by their `consumer_states`
//! what `health` they are in.
//!
//! Deliberately out: declaring (that is `graph`'s), extraction and conversion.

mod ack_gather;
pub(crate) mod attempt;
pub(crate) mod batch;
mod busy_pace;
pub(crate) mod by_type;
mod circuit;
mod connection;
mod consumer;
mod consumer_states;
mod container;
pub(crate) mod context;
mod crew;
pub(crate) mod discarded;
pub(crate) mod dispatch;
pub(crate) mod endpoint;
mod extras;
mod failure;
pub(crate) mod function;
pub(crate) mod handled;
mod handling;
pub(crate) mod health;
mod idle;
pub(crate) mod invoke;
mod keep_connected;
pub(crate) mod key_path;
pub(crate) mod observe;
pub(crate) mod outcome;
pub(crate) mod outgoing;
mod pacing;
mod panic;
pub(crate) mod partition;
mod parts;
mod pattern;
pub(crate) mod plan;
pub(crate) mod policy;
mod registered;
mod registry;
pub(crate) mod reply;
pub(crate) mod retry;
mod scaler;
mod scaling;
mod settle;
pub(crate) mod slow;
mod stop_signal;
pub(crate) mod stream_offset;
mod supervisor;
pub(crate) mod telling;
mod work;

pub(crate) use connection::{ListenerConnection, Opened};
pub(crate) use keep_connected::keep_connected;
pub(crate) use registry::ListenerRegistry;
pub(crate) use stop_signal::StopPhase;
pub(crate) use supervisor::ListenerScope;
