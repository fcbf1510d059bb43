//! The codec held against `amq-protocol`, a codec that is generated from the specification and
//! shares no line with ours, against itself, and against bytes that nobody should send.
#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

mod hostile;
mod oracle;
mod round_trip;
mod schema;
mod strategies;
