//! The command as people run it: the real binary, its output, its exit codes, its sockets.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends with a panic")]

mod config;
mod data;
mod definitions;
mod ending;
mod harness;
mod log;
mod login;
mod ready;
mod store;
mod tls;
mod usage;
