//! What an operator does to a broker, held against RabbitMQ: limits that clients run into, virtual
//! hosts and users that are deleted, policies and their errors, definitions that go back and forth.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends with a panic")]

mod broker;
mod definitions;
mod limits;
mod policies;
