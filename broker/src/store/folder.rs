#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{Access, Disk, Files, FolderLock};
use super::error::StoreError;
use super::format::header::FORMAT_VERSION;
use super::names;

/// The first line of the file that marks a folder, before the format's number.
const MARK_START: &str = "springhare store, format ";

/// What the mark says to people.
const MARK_TEXT: &str = "
The messages and definitions of a springhare broker. Change, add or remove nothing here; copy the
folder as a whole, while no broker runs on it. `springhare store check` and `springhare store dump`
say what is in it.
";

/// Bytes of a mark that are looked at.
const MARK_BYTES_MAX: usize = 4096;

/// What may be in a folder that is not used yet: a file system's own.
const LOST_AND_FOUND: &str = "lost+found";

/// A folder that this process has for itself.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) lock: FolderLock,
    /// What was wrong and is no more.
    pub(crate) damages: Vec<String>,
}

impl Folder {
    /// Takes a folder of the operating system, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// It can't be made, read or written, is not a store's, is one of a later version, or another
    /// process has it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        make(path)?;
        let disk = Files::new(path, Access::ReadWrite);
        if read_mark(&disk)?.is_none() {
            check_unused(path)?;
        }
        Self::open_on(Arc::new(disk))
    }

    /// Takes what is a store's folder, or an empty one.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub(crate) fn open_on(disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        check_mark(&*disk, read_mark(&*disk)?.as_ref())?;
        let lock = disk.lock().map_err(|error| not_writable(&*disk, names::LOCK, error))?;
        let Some(lock) = lock else { return Err(StoreError::InUse { path: disk.path().into() }) };
        // Now that nobody else can change it.
        let mark = read_mark(&*disk)?;
        check_mark(&*disk, mark.as_ref())?;
        let mut damages = Vec::new();
        match mark {
            Some(Mark::Format(_)) => check_writable(&*disk)?,
            Some(Mark::Unreadable) => {
                let name = names::MARK;
                damages.push(format!("'{name}' could not be read, and was written anew"));
                write_mark(&*disk)?;
            }
            None => write_mark(&*disk)?,
        }
        Ok(Self { disk, lock, damages })
    }
}

/// A folder that is only read, while a broker may run on it.
#[derive(Debug)]
pub(crate) struct FolderLook {
    pub(crate) disk: Files,
    /// Whether another process has it.
    pub(crate) is_in_use: bool,
    /// What is wrong with it.
    pub(crate) damages: Vec<String>,
}

impl FolderLook {
    /// Looks at a folder.
    ///
    /// # Errors
    ///
    /// It can't be read, is not a store's, or is one of a later version.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NoFolder { path: path.into() });
            }
            Ok(metadata) if !metadata.is_dir() => {
                return Err(StoreError::NotAFolder { path: path.into() });
            }
            _ => {}
        }
        let disk = Files::new(path, Access::ReadOnly);
        let mark = read_mark(&disk)?;
        let mut damages = Vec::new();
        match check_mark(&disk, mark.as_ref()) {
            // There is something to look at.
            Err(error @ StoreError::HalfCopied { .. }) => damages.push(error.to_string()),
            checked => checked?,
        }
        match mark {
            Some(Mark::Format(_)) => {}
            Some(Mark::Unreadable) => damages.push(format!("'{}' can't be read", names::MARK)),
            None if damages.is_empty() => {
                let found = first_file(&disk)?.unwrap_or_else(|| "nothing".to_owned());
                return Err(StoreError::NotOurs { path: path.into(), found });
            }
            None => {}
        }
        // The lock is let go at once: who starts a broker meanwhile is not to be refused.
        let is_in_use = match disk.lock() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            lock => {
                lock.map_err(StoreError::io(&disk, names::LOCK, "it can't be opened"))?.is_none()
            }
        };
        Ok(Self { disk, is_in_use, damages })
    }
}

/// What the file says that marks a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Format(u32),
    Unreadable,
}

fn read_mark(disk: &dyn Disk) -> Result<Option<Mark>, StoreError> {
    let file = match disk.open(names::MARK) {
        // An older broker may have made it for another user to read only.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(not_writable(disk, names::MARK, error)),
        Ok(file) => file,
    };
    let mut bytes = vec![0; MARK_BYTES_MAX];
    let count = file.read_at(&mut bytes, 0).map_err(StoreError::io(
        disk,
        names::MARK,
        "it can't be read",
    ))?;
    bytes.truncate(count);
    let format = || {
        let text = std::str::from_utf8(&bytes).ok()?;
        text.lines().next()?.strip_prefix(MARK_START)?.parse().ok()
    };
    Ok(Some(format().map_or(Mark::Unreadable, Mark::Format)))
}

/// Refuses later formats, and what was copied without its mark.
fn check_mark(disk: &dyn Disk, mark: Option<&Mark>) -> Result<(), StoreError> {
    let path = disk.path().to_path_buf();
    match mark {
        Some(Mark::Format(version)) if *version > FORMAT_VERSION => {
            Err(StoreError::Newer { path, version: *version, known: FORMAT_VERSION })
        }
        Some(_) => Ok(()),
        None => {
            let entries = disk.list().map_err(StoreError::io(disk, "", "it can't be listed"))?;
            let mut names = entries.into_iter().map(|entry| entry.name);
            match names.find(|name| names::segment_number(name).is_some()) {
                Some(found) => Err(StoreError::HalfCopied { path, found }),
                None => Ok(()),
            }
        }
    }
}

fn write_mark(disk: &dyn Disk) -> Result<(), StoreError> {
    let unfinished = format!("{}{}", names::MARK, names::UNFINISHED);
    let text = format!("{MARK_START}{FORMAT_VERSION}\n{MARK_TEXT}");
    let write = || {
        let _ = disk.remove(&unfinished);
        let file = disk.create(&unfinished, 0)?;
        file.write_at(text.as_bytes(), 0)?;
        file.sync_data()?;
        disk.rename(&unfinished, names::MARK)?;
        disk.sync_folder()
    };
    write().map_err(|error| not_writable(disk, names::MARK, error))
}

/// Finds out now, and not when the first message is to be written.
fn check_writable(disk: &dyn Disk) -> Result<(), StoreError> {
    let probe = format!("{}{}", names::MARK, names::UNFINISHED);
    let _ = disk.remove(&probe);
    let made = disk.create(&probe, 0).and_then(|_| disk.remove(&probe));
    match made {
        // A full disk is waited for, as later on.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
        made => made.map_err(|error| not_writable(disk, &probe, error)),
    }
}

fn not_writable(disk: &dyn Disk, name: &str, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::ReadOnly { path: disk.path().into(), error: error.to_string() }
        }
        _ => StoreError::io(disk, name, "it can't be written")(error),
    }
}

/// Makes the folder, for its owner alone: messages are nobody else's.
fn make(path: &Path) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => return Err(StoreError::NotAFolder { path: path.into() }),
        Err(_) => {}
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let disk = Files::new(path, Access::ReadWrite);
    builder.create(path).map_err(|error| match error.kind() {
        // A file stands in the way to it.
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            StoreError::NotAFolder { path: path.into() }
        }
        _ => not_writable(&disk, "", error),
    })?;
    // That it is there is as important as what is in it.
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let above = Files::new(above.unwrap_or(Path::new(".")), Access::ReadOnly);
    above.sync_folder().map_err(StoreError::io(&above, "", "it can't be synced"))
}

/// Refuses a folder that has anything in it, since it has no mark.
fn check_unused(path: &Path) -> Result<(), StoreError> {
    let disk = Files::new(path, Access::ReadOnly);
    let cannot_list = || StoreError::io(&disk, "", "it can't be listed");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(cannot_list())? {
        let name = entry.map_err(cannot_list())?.file_name().to_string_lossy().into_owned();
        let is_expected = name == names::LOCK
            || name == names::QUARANTINE
            || name == LOST_AND_FOUND
            || name.ends_with(names::UNFINISHED)
            || names::segment_number(&name).is_some()
            || names::index_number(&name).is_some();
        if !is_expected {
            found.push(name);
        }
    }
    match found.into_iter().min() {
        Some(found) => Err(StoreError::NotOurs { path: path.into(), found }),
        None => Ok(()),
    }
}

fn first_file(disk: &dyn Disk) -> Result<Option<String>, StoreError> {
    let entries = disk.list().map_err(StoreError::io(disk, "", "it can't be listed"))?;
    Ok(entries.into_iter().map(|entry| entry.name).min())
}
