//! What a broker answered, written down, and laid beside what another one answered.
//!
//! [`RecordingLink`] stands before any link and notes each operation with its answer. Names that
//! differ from run to run are evened out, so that the [`Record`]s of one case on two brokers are
//! the same where the brokers are. [`Record::beside`] shows where they are not.

mod link;
mod names;
mod publisher;
mod record;
mod shown;

pub use link::RecordingLink;
pub use record::{Record, Recorder};
