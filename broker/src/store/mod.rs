//! The durable store: one append-only journal for everything that survives a restart, and the only
//! module that touches files.
//!
//! The engine appends what it does (`Journal::append`) and goes on; who has promised something waits
//! until the journal is synced that far (`Journal::poll_synced`). What is kept has a `Reference` and
//! lives until it is settled; what is alive is what was appended and not settled, whatever the order
//! of the two in the files.
//!
//! [`check`] and [`dump`] read a folder without a broker.

pub(crate) mod disk;
mod error;
pub(crate) mod folder;
pub(crate) mod format;
#[cfg(any(test, feature = "simulation"))]
#[doc(hidden)]
pub mod fuzzing;
mod journal;
pub(crate) mod names;
mod offline;
mod recovered;
pub(crate) mod recovery;
pub(crate) mod reference_set;

#[cfg(feature = "simulation")]
#[doc(hidden)]
pub use disk::simulated::{DiskFault, SimulatedDisk};
pub(crate) use error::Failure;
pub use error::StoreError;
pub(crate) use journal::{
    Append, Blocked, Journal, JournalObserver, JournalSettings, Opened, Taken,
};
pub use offline::{OfflineError, StoreContents, check, dump};
pub use recovered::RecoveryReport;
pub(crate) use recovered::{RecoveredDefinition, RecoveredDelayed, RecoveredMessage};
