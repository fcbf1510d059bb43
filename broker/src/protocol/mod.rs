//! AMQP 0-9-1 as one connection speaks it: a state machine without sockets, clock or locks.
//!
//! What was read goes in as bytes and comes out as [`Request`]s, in the peer's order; what the
//! broker answers goes in as methods and contents and comes out as the bytes of [`Output`]. The
//! machine knows the order in which methods may come, assembles contents, and closes what an
//! error closes. What a request does to queues is not its business: the session asks the
//! engine, so that a channel behaves the same behind a socket and in this process.

mod channels;
mod connection;
mod content;
mod faults;
mod handshake;
mod output;
mod request;
mod sasl;
#[cfg(test)]
mod tests;

pub(crate) use channels::unimplemented;
pub(crate) use connection::{Connection, Ending, Negotiable};
pub(crate) use handshake::ServerProperties;
pub(crate) use output::{Delivery, Output};
pub(crate) use request::{ChannelMethod, Fault, Incoming, Request};
pub(crate) use sasl::Credentials;
