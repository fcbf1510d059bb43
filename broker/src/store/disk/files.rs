use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Disk, DiskEntry, DiskFile, FolderLock, Keep};
use crate::store::names::{LOCK, QUARANTINE, UNFINISHED};

/// How often who is to have the folder asks for it, and how long it waits between: who only looks has
/// the lock for a moment.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// What may be done to the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadWrite,
    ReadOnly,
}

/// A folder of the operating system.
#[derive(Debug)]
pub(crate) struct Files {
    path: PathBuf,
    access: Access,
}

impl Files {
    /// The folder at this path, which is there.
    pub(crate) fn new(path: impl Into<PathBuf>, access: Access) -> Self {
        Self { path: path.into(), access }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn sync(path: &Path) -> io::Result<()> {
        // Elsewhere a folder can't be opened as a file, and need not be.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

impl Disk for Files {
    fn path(&self) -> &Path {
        &self.path
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.at(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        match allocate(&file, bytes) {
            Ok(()) => Ok(Arc::new(file)),
            Err(error) => {
                // It was ours alone; the error that is told is the first.
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let is_written = self.access == Access::ReadWrite;
        let file = OpenOptions::new().read(true).write(is_written).open(self.at(name))?;
        Ok(Arc::new(file))
    }

    fn list(&self) -> io::Result<Vec<DiskEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            // Who has removed it meanwhile does not want it listed.
            let metadata = match std::fs::metadata(entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if metadata.is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                entries.push(DiskEntry { name, bytes: metadata.len() });
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.at(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.at(from), self.at(to))
    }

    fn quarantine(&self, name: &str, kept_as: &str, keep: Keep) -> io::Result<()> {
        let folder = self.at(QUARANTINE);
        std::fs::create_dir_all(&folder)?;
        let kept = folder.join(kept_as);
        if kept.exists() {
            return Ok(());
        }
        // Some file systems have no hard links: a copy keeps as much.
        if keep == Keep::Copy || std::fs::hard_link(self.at(name), &kept).is_err() {
            let unfinished = folder.join(format!("{kept_as}{UNFINISHED}"));
            make_whole(&unfinished, || {
                std::fs::copy(self.at(name), &unfinished)?;
                File::open(&unfinished)?.sync_all()?;
                std::fs::rename(&unfinished, &kept)
            })?;
        }
        Self::sync(&folder)
    }

    fn sync_folder(&self) -> io::Result<()> {
        Self::sync(&self.path)
    }

    fn free_space(&self) -> io::Result<u64> {
        free_space(&self.path)
    }

    #[expect(clippy::disallowed_methods, reason = "nobody tells that a file's lock was let go")]
    fn lock(&self) -> io::Result<Option<FolderLock>> {
        let is_written = self.access == Access::ReadWrite;
        let mut options = OpenOptions::new();
        options.read(true).write(is_written).create(is_written).truncate(false);
        let file = options.open(self.at(LOCK))?;
        let tries = if is_written { LOCK_TRIES } else { 1 };
        let is_locked = try_again(tries, || try_lock(&file), || thread::sleep(LOCK_PAUSE))?;
        Ok(is_locked.then(|| FolderLock::new(file)))
    }
}

/// Makes a file; half of one does not stay.
fn make_whole(unfinished: &Path, make: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    make().inspect_err(|_| {
        // The error that is told is the first.
        let _ = std::fs::remove_file(unfinished);
    })
}

fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Tries so many times, with a pause in between; whether it was done.
fn try_again(
    tries: u32,
    mut attempt: impl FnMut() -> io::Result<bool>,
    mut pause: impl FnMut(),
) -> io::Result<bool> {
    for number in 1..=tries {
        if attempt()? {
            return Ok(true);
        }
        if number < tries {
            pause();
        }
    }
    Ok(false)
}

/// Takes the room that the file will need, so that no later write finds the disk full, and so that
/// a sync has no more to do than to write the data.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;

        if bytes == 0 {
            return Ok(());
        }
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            // The file system has no such thing.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            done => return done.map_err(io::Error::from),
        }
    }
    file.set_len(bytes)
}

#[cfg(unix)]
fn free_space(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Nobody says: it is noticed when a write fails.
#[cfg(not(unix))]
fn free_space(_path: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

impl DiskFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match read_some(self, rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match write_some(self, rest, offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        allocate(self, bytes)
    }
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(unix)]
fn write_some(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(windows)]
fn write_some(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_file_takes_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("half");
        let made = make_whole(&path, || {
            std::fs::write(&path, "half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(made.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(!path.exists());
    }

    #[test]
    fn a_look_at_the_folder_keeps_no_broker_out() {
        let folder = tempfile::tempdir().unwrap();
        let open = || File::create(folder.path().join(LOCK)).unwrap();
        let mut look = Some(open());
        assert!(try_lock(look.as_ref().unwrap()).unwrap());
        let file = open();
        let is_locked = try_again(2, || try_lock(&file), || drop(look.take()));
        assert!(is_locked.unwrap(), "it was let go meanwhile");
        let other = open();
        let mut pauses = 0;
        assert!(!try_again(3, || try_lock(&other), || pauses += 1).unwrap());
        assert_eq!(pauses, 2);
    }
}
