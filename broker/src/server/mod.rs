//! The broker's sockets: accepting, and a session a connection.
//!
//! A session is one task that owns its socket and its [protocol machine](crate::protocol); what
//! a peer asks for it takes to the engine, and what the engine answers to the peer.

mod handshakes;
mod listener;
mod session;
#[cfg(feature = "tls")]
pub(crate) mod tls;

pub(crate) use listener::{Listening, Server, Transport};
