//! The client's side of a connection: the protocol without a socket.
//!
//! A [`Handshake`] greets the broker, logs in and agrees on limits; what comes of it is a
//! [`Connection`], which takes the bytes that were received ([`handle`](Connection::handle)) and
//! the time ([`tick`](Connection::tick)), and gives the bytes to send
//! ([`output`](Connection::output)) and what happened ([`poll_event`](Connection::poll_event)).
//! Commands ([`call`](Connection::call), [`publish`](Connection::publish), ..) may be given at any
//! time; they only add to the output. [`Confirms`] finds the publishes that a confirm means.
//!
//! Deliberately out: sockets, TLS, waiting for an answer, recovery.
//!
//! # Layout
//!
//! `error` → `handshake`; `content`, `event` → `channel` → `connection`; `confirms` stands alone.

mod channel;
mod confirms;
mod connection;
mod content;
mod error;
mod event;
mod handshake;

pub use confirms::Confirms;
pub use connection::Connection;
pub use content::BODY_MAX_BYTES;
pub use error::{HandshakeError, PeerFault, Refused};
pub use event::{Event, IncomingDelivery};
pub use handshake::{Agreed, Handshake, Login, Progress};
