//! The broker with its locks: what the pure model decides is done here.
//!
//! Order of locks: the topology's writer, then a queue, then an outbox; a channel, then an
//! outbox, its events or the reply consumers. Never two queues, never a channel and a queue, never
//! across an await. The timers come after a queue: times are asked for under its lock, and what is
//! due is done without any. What waits at delayed exchanges is locked alone. Who appends to streams
//! holds their order, by the queues' numbers, before any queue. The journal comes after all of these.
//! What a connection remembers of its user's permissions is locked last of all.

pub(crate) mod admin;
pub(crate) mod authorization;
pub(crate) mod broker_cell;
pub(crate) mod channel_cell;
pub(crate) mod channel_publishing;
pub(crate) mod connection_cell;
pub(crate) mod consume;
mod consumer_arguments;
#[cfg(test)]
mod counting_waker;
mod dead_letters;
pub(crate) mod declare;
mod delaying;
pub(crate) mod deliver;
pub(crate) mod durable;
mod entering;
pub(crate) mod events;
mod import;
mod keeping;
mod limiter;
pub(crate) mod memory;
pub(crate) mod outbox;
mod paging;
mod policy;
pub(crate) mod publish;
pub(crate) mod queue_cell;
mod queue_state;
mod random;
pub(crate) mod reply_to;
mod restoring;
pub(crate) mod settle;
pub(crate) mod shared;
pub(crate) mod signals;
pub(crate) mod stream_journal;
pub(crate) mod synced;
pub(crate) mod timers;
mod transaction;
pub(crate) mod unfinished;
pub(crate) mod user_cell;
pub(crate) mod users;
pub(crate) mod virtual_host;
