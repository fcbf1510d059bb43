//! Applications whose broker goes away and comes back: what they do meanwhile, what their health
//! says, and that nothing needs to be restarted afterwards.
//!
//! `switch_link` takes a broker in this process away, on a clock that the test drives; `door_link` has it
//! take its time; `sockets` cuts real connections.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends with a panic")]

mod door_link;
mod support;
mod switch_link;

mod acknowledged_first;
mod admin;
mod appender;
mod attempts;
mod brokers;
mod calls;
mod delays;
mod discarded;
mod dynamic;
mod events;
mod forgotten;
mod listeners;
mod neighbours;
mod outage;
mod partitions;
mod publishing;
mod rabbitmq;
mod settled_by_hand;
mod shared;
mod shared_attempts;
mod sockets;
mod starting;
mod startup;
mod unpolled;
