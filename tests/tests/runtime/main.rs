//! The runtime as a whole on the embedded broker: what a listener's outcome does to its message,
//! how an application starts, stops and sends.
//!
//! Every test has a broker of its own and names its listeners, so that none sees another's.

mod support;

mod failures;
mod settlement;
mod start;
mod stop;
mod supervision;
mod template;
