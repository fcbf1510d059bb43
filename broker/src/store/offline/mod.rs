//! Reading a data folder without a broker: nothing is written, and no lock is held.

mod dump;
mod print;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

pub use dump::dump;

use super::error::StoreError;
use super::folder::FolderLook;
use super::format::index::Index;
use super::recovery::{Alive, Recovered, inspect};

/// What is in a data folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreContents {
    /// Whether a broker runs on it: what it was writing or removing meanwhile may look torn or missing.
    pub is_in_use: bool,
    /// Whether the broker had been stopped in order.
    pub was_clean: bool,
    /// The number of segments.
    pub segments: u64,
    /// Bytes of them that are in use.
    pub bytes: u64,
    /// All that was ever written and is still there.
    pub records: u64,
    /// Messages in queues that are alive; one that is in several counts in each.
    pub messages: u64,
    /// Messages at delayed exchanges that are alive.
    pub delayed: u64,
    /// Definitions that are alive: queues, exchanges, bindings, users and the like.
    pub definitions: u64,
    /// Bytes at the end of a write that was not finished: no damage, and cut off at the next start.
    pub torn_bytes: u64,
    /// Everything that is not as it was written, one line each.
    pub damages: Vec<String>,
}

/// Why a data folder can't be read, or told of.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineError {
    /// The folder can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it has can't be written out.
    #[error("what is in the data folder can't be written out: {0}")]
    Output(#[source] io::Error),
}

/// Reads every byte of a data folder, checks all checksums, and holds indexes against segments.
///
/// # Errors
///
/// It is no data folder, can't be read, or is of a later version. Damage is no error: it is in
/// [`StoreContents::damages`].
pub fn check(path: impl AsRef<Path>) -> Result<StoreContents, OfflineError> {
    let look = FolderLook::open(path.as_ref())?;
    let mut recovered = inspect(&look.disk)?;
    Ok(contents(&look, &mut recovered)?)
}

fn contents(look: &FolderLook, recovered: &mut Recovered) -> Result<StoreContents, StoreError> {
    let mut contents = StoreContents {
        is_in_use: look.is_in_use,
        was_clean: recovered.report.was_clean,
        segments: recovered.report.segments,
        torn_bytes: recovered.report.torn_bytes,
        damages: look.damages.clone(),
        ..StoreContents::default()
    };
    for segment in &recovered.segments {
        let index = segment.index.as_deref().and_then(Index::decode);
        contents.records += index.map_or(0, |index| index.entries().count()) as u64;
        contents.bytes += u64::from(segment.end);
    }
    recovered.restore(&look.disk, |alive| match alive {
        Alive::Message(_) => contents.messages += 1,
        Alive::Delayed { .. } => contents.delayed += 1,
        Alive::Definition { .. } => contents.definitions += 1,
    })?;
    contents.damages.extend(recovered.report.damages.iter().cloned());
    Ok(contents)
}
