//! What the store asks of a disk, so that tests can give it one that fails.
//!
//! One folder, its files by name. `files` is the operating system's; `simulated` loses what was not
//! synced, tears sectors and fails when it is told to.

mod files;
#[cfg(any(test, feature = "simulation"))]
#[cfg_attr(
    not(feature = "simulation"),
    expect(unreachable_pub, reason = "public where the feature is on, for the drills")
)]
pub(crate) mod simulated;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(crate) use files::{Access, Files};

/// A folder on a disk.
///
/// What is created, renamed or removed is sure once [`sync_folder`](Self::sync_folder) has returned.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Where it is, for texts.
    fn path(&self) -> &Path;

    /// Creates a file of so many zeros, for which there is room on the disk from now on (where the
    /// file system can promise it).
    ///
    /// # Errors
    ///
    /// [`StorageFull`](io::ErrorKind::StorageFull) if there is no room; nothing was created then.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that is there, to read and, unless the disk is read-only, to write.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// All files in the folder; folders in it are not among them.
    fn list(&self) -> io::Result<Vec<DiskEntry>>;

    /// Removes a file; who has it open can go on reading it.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file, over another one if there is one: at every moment one of the two is there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Keeps a file in the folder `quarantine`, under `kept_as`, where it stays when its first name is
    /// removed; a [copy](Keep::Copy) stays as it is whatever happens to the file. One that is there
    /// already is left.
    fn quarantine(&self, name: &str, kept_as: &str, keep: Keep) -> io::Result<()>;

    /// Returns once all that was created, renamed and removed is safe.
    fn sync_folder(&self) -> io::Result<()>;

    /// Bytes that can still be written.
    fn free_space(&self) -> io::Result<u64>;

    /// Keeps other processes out for as long as what it returns lives; none if one has the folder.
    fn lock(&self) -> io::Result<Option<FolderLock>>;
}

/// An open file. All of it may be called by several threads.
pub(crate) trait DiskFile: Debug + Send + Sync {
    /// Reads from there on, as many bytes as `buffer` has or the file still has: how many.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes; after an error any of them may be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Returns once all that was written before is safe. After an error nobody knows what is.
    fn sync_data(&self) -> io::Result<()>;

    /// The file's bytes.
    fn length(&self) -> io::Result<u64>;

    /// Cuts the file off, or lengthens it with zeros.
    fn set_length(&self, bytes: u64) -> io::Result<()>;

    /// Lengthens the file with zeros to so many bytes, for which there is room from now on, as for
    /// one that is [created](Disk::create) with so many.
    fn allocate(&self, bytes: u64) -> io::Result<()>;
}

/// What of a file is kept in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The file itself, which is not written any more.
    File,
    /// A copy of one that is cut off later.
    Copy,
}

/// A file in the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DiskEntry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// Keeps other processes out of a folder for as long as it lives.
#[derive(Debug)]
pub(crate) struct FolderLock {
    /// What ends the lock when it is dropped.
    _held: Box<dyn Debug + Send + Sync>,
}

impl FolderLock {
    fn new(held: impl Debug + Send + Sync + 'static) -> Self {
        Self { _held: Box::new(held) }
    }
}

/// Reads a range that is wholly in the file.
///
/// # Errors
///
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if it is not.
pub(crate) fn read_exact(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match file.read_at(buffer, offset)? == buffer.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
