//! A cluster of three RabbitMQ nodes, of which one is lost at a time.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

mod application;
mod quorum;
