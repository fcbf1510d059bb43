//! The runtime's own client against what the contract does not show: publishers that share a
//! connection, back pressure, a connection that is lost, brokers that refuse or break the protocol.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends with a panic")]

mod broken;
mod channels;
mod connect;
mod consuming;
mod fake;
mod full;
mod limits;
mod lost;
mod publishing;
mod support;
mod tls;
