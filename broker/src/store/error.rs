use std::io;
use std::path::PathBuf;

use super::disk::Disk;
use super::names;

/// Why a store can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file or the folder can't be read or written.
    #[error("'{path}' in the data folder: {action}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the operating system says.
        error: String,
    },
    /// The path is a file.
    #[error(
        "the data folder '{path}' is a file: give a folder, or a path where there is nothing yet"
    )]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// There is no folder that could be read.
    #[error("there is no data folder '{path}': give the folder that a broker was started with")]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder has files, and they are of something else.
    #[error(
        "the folder '{path}' is not a data folder of springhare: it has '{found}' in it, and no \
         '{mark}'; give an empty folder, or one that there is not yet",
        mark = names::MARK
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// One of its files.
        found: String,
    },
    /// The folder has segments and not the file that says so.
    #[error(
        "the data folder '{path}' was copied in part: it has '{found}' in it, and no '{mark}'; copy \
         all of it, while no broker runs on it",
        mark = names::MARK
    )]
    HalfCopied {
        /// The folder.
        path: PathBuf,
        /// One of its segments.
        found: String,
    },
    /// Not even the first messages would have room.
    #[error(
        "the data folder '{path}' is new, and its disk has no room for the {bytes} bytes that it begins \
         with: make room, or give a folder on another disk"
    )]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// What a broker allocates ahead.
        bytes: u64,
    },
    /// Nothing can be written there.
    #[error(
        "the data folder '{path}' is read-only ({error}): give the user that runs the broker the \
         right to write there, or mount it writable"
    )]
    ReadOnly {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        error: String,
    },
    /// The folder has the format of a later version.
    #[error(
        "the data folder '{path}' has format {version}, and this version of springhare knows formats \
         up to {known}: start the version that has written it, or a later one"
    )]
    Newer {
        /// The folder, or a file of it.
        path: PathBuf,
        /// Its format.
        version: u32,
        /// The last format that is known.
        known: u32,
    },
    /// Another process has the folder.
    #[error(
        "the data folder '{path}' is in use by another process: end that broker first, or give this \
         one a folder of its own"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

impl StoreError {
    /// What the operating system says of a file of this disk.
    pub(crate) fn io(
        disk: &dyn Disk,
        name: &str,
        action: &'static str,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = if name.is_empty() { disk.path().into() } else { disk.path().join(name) };
        move |error| Self::Io { path, action, error: error.to_string() }
    }
}

/// Why nothing is appended any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// A write or a sync has failed: what the disk has is not known any more.
    #[error("the store has failed ({0}), and the broker is read-only until it is started again")]
    Failed(String),
    /// There is no room on the disk, or so much waits to be written that nothing more is taken.
    #[error("the store has no room: the disk is full, or can't write as fast as messages come")]
    Full,
    /// The broker is stopped.
    #[error("the store is closed")]
    Closed,
}
