//! A peer that speaks AMQP in bytes: independent of our codec, and free to be wrong.

#![expect(clippy::expect_used, reason = "a test ends with a panic")]

pub mod bytes;
pub mod methods;

mod frame;
mod notation;
mod peer;
mod spec;
mod transcript;
mod value;

pub use frame::{Close, RawFrame};
pub use peer::{RawPeer, Received, Tune, is_open_ok};
pub use transcript::play;

/// How many files this process may have open, after raising the limit as far as it goes.
#[must_use]
pub fn open_files_max() -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_default();
    usize::try_from(limit).unwrap_or(usize::MAX)
}
