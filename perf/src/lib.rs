//! What the load generator `load` and the clients of `springhare-perf-clients` have in common: how
//! a body tells which message it is, and how time and CPU are read, so that their figures can be
//! held against one another.

pub mod process;
pub mod reading;
pub mod stamp;
pub mod time;
