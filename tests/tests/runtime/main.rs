//! The runtime as a whole on the embedded broker: what a listener's outcome does to its message,
//! how an application starts, stops and sends.
//!
//! Every test has a broker of its own and names its listeners, so that none sees another's.

#![expect(clippy::unwrap_used, reason = "a test ends with a panic")]

mod support;

mod acknowledged_first;
mod address;
mod appender;
mod batches;
mod brokers;
mod circuit;
mod data_folder;
mod definitions;
mod events;
mod exclusive_consumers;
mod failures;
mod listeners_told;
mod log;
mod merged;
mod partitions;
mod queue_kinds;
mod scaling;
mod settings;
mod settings_alone;
mod settlement;
mod slow_handlers;
mod start;
mod stop;
mod template;
mod timeout;
mod unkept;
