//! A disk in memory that loses what was not synced, and fails when it is told to.

mod content;
mod dice;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskEntry, DiskFile, FolderLock, Keep};
use content::Content;
pub(crate) use dice::Dice;

/// What a failing call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskFault {
    /// The disk is broken: EIO.
    Broken,
    /// The disk is full: ENOSPC.
    Full,
    /// Nothing may be written: EROFS.
    ReadOnly,
}

impl DiskFault {
    fn error(self) -> io::Error {
        match self {
            Self::Broken => io::Error::other("Input/output error (simulated)"),
            Self::Full => io::ErrorKind::StorageFull.into(),
            Self::ReadOnly => io::ErrorKind::ReadOnlyFilesystem.into(),
        }
    }
}

/// A disk in memory whose power can be cut: what was not synced is then there or not, each sector and
/// each name in the folder by itself. A seed decides, so that all that happens can be repeated.
///
/// A clone is the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    has_power: bool,
    is_locked: bool,
    capacity: u64,
    calls: u64,
    /// Which call fails, and how.
    faults: BTreeMap<u64, DiskFault>,
    /// How every read fails, once so many more were done.
    read_fault: Option<(u64, DiskFault)>,
    /// From this byte on nothing of a file can be read.
    broken_from: Option<u64>,
    files: Vec<Content>,
    /// The folder as it is seen.
    names: BTreeMap<String, usize>,
    /// The folder as it was synced, and what has happened to it since.
    synced_names: BTreeMap<String, usize>,
    changes: Vec<Change>,
    quarantine: BTreeMap<String, usize>,
}

#[derive(Debug, Clone)]
enum Change {
    Added(String, usize),
    Removed(String),
    Renamed(String, String, usize),
}

impl Change {
    fn apply(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Added(name, file) => drop(names.insert(name, file)),
            Self::Removed(name) => drop(names.remove(&name)),
            Self::Renamed(from, to, file) => {
                names.remove(&from);
                names.insert(to, file);
            }
        }
    }
}

impl SimulatedDisk {
    /// An empty disk that is never full.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_files(Dice::new(seed), u64::MAX, Vec::new(), BTreeMap::new())
    }

    fn with_files(
        dice: Dice,
        capacity: u64,
        files: Vec<Content>,
        names: BTreeMap<String, usize>,
    ) -> Self {
        let state = State {
            dice,
            has_power: true,
            is_locked: false,
            capacity,
            calls: 0,
            faults: BTreeMap::new(),
            read_fault: None,
            broken_from: None,
            files,
            synced_names: names.clone(),
            names,
            changes: Vec::new(),
            quarantine: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power: every call on this disk fails from now on. What it returns is the disk as it
    /// is found afterwards.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        let mut state = self.lock_state();
        state.has_power = false;
        let mut dice = Dice::new(seed);
        let files = state.files.iter().map(|file| file.after_power_cut(&mut dice)).collect();
        let mut names = state.synced_names.clone();
        for change in &state.changes {
            if dice.one_in(2) {
                change.clone().apply(&mut names);
            }
        }
        let after = Self::with_files(dice, state.capacity, files, names);
        after.lock_state().quarantine = state.quarantine.clone();
        after
    }

    /// Ends the process: every call on this disk fails from now on. What it returns is the disk for the
    /// next process, with all that was written, though what was not synced is not safe yet.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut state = self.lock_state();
        let dice = Dice::new(state.dice.roll());
        let after = Self::with_files(dice, state.capacity, Vec::new(), BTreeMap::new());
        let mut next = after.lock_state();
        std::mem::swap(&mut *next, &mut *state);
        next.is_locked = false;
        next.faults.clear();
        next.read_fault = None;
        next.broken_from = None;
        state.has_power = false;
        drop(next);
        after
    }

    /// How many calls there were, those of files too.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock_state().calls
    }

    /// Lets this call fail, counted from the first that there was; those after it do not. A write that
    /// fails may have written a part, and a sync that fails may have lost one.
    pub fn fail_call(&self, call: u64, fault: DiskFault) {
        self.lock_state().faults.insert(call, fault);
    }

    /// Lets every read of a file, and every opening, fail once so many more were done, until the
    /// [faults are forgotten](Self::forget_faults).
    pub fn fail_reads_after(&self, reads: u64, fault: DiskFault) {
        self.lock_state().read_fault = Some((reads, fault));
    }

    /// Lets every read of a file fail that goes beyond this byte, until the
    /// [faults are forgotten](Self::forget_faults).
    pub fn fail_reads_beyond(&self, byte: u64) {
        self.lock_state().broken_from = Some(byte);
    }

    /// What was to fail does not.
    pub fn forget_faults(&self) {
        let mut state = self.lock_state();
        state.faults.clear();
        state.read_fault = None;
        state.broken_from = None;
    }

    /// Makes room for so many bytes more, and no more than that.
    pub fn set_free_space(&self, bytes: u64) {
        let mut state = self.lock_state();
        state.capacity = state.used().saturating_add(bytes);
    }

    /// What a file has, read by nobody: such a look does not count as a call.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock_state();
        Some(state.bytes(*state.names.get(name)?))
    }

    /// The same of a file in quarantine.
    #[must_use]
    pub fn kept(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock_state();
        Some(state.bytes(*state.quarantine.get(name)?))
    }

    /// Puts a file there, safely, in place of one that there may be.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.lock_state();
        let file = state.add(bytes);
        state.names.insert(name.to_owned(), file);
        state.synced_names.insert(name.to_owned(), file);
    }

    /// The names of the files.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock_state().names.keys().cloned().collect()
    }

    /// The names of the files in quarantine.
    #[must_use]
    pub fn quarantined(&self) -> Vec<String> {
        self.lock_state().quarantine.keys().cloned().collect()
    }
}

impl State {
    /// Counts a call, and says how it fails if it does.
    fn call(&mut self) -> Result<(), DiskFault> {
        self.calls += 1;
        if !self.has_power {
            return Err(DiskFault::Broken);
        }
        self.faults.remove(&self.calls).map_or(Ok(()), Err)
    }

    /// Adds a file that is safe, and has no name yet.
    fn add(&mut self, bytes: &[u8]) -> usize {
        let mut content = Content::new(0);
        content.write(bytes, 0);
        content.sync();
        self.files.push(content);
        self.files.len() - 1
    }

    fn bytes(&self, file: usize) -> Vec<u8> {
        let Some(file) = self.files.get(file) else { return Vec::new() };
        let mut bytes = vec![0; usize::try_from(file.length()).unwrap_or_default()];
        file.read(&mut bytes, 0);
        bytes
    }

    /// The same for a call that reads.
    fn read(&mut self) -> Result<(), DiskFault> {
        self.call()?;
        match &mut self.read_fault {
            Some((0, fault)) => Err(*fault),
            Some((reads, _)) => {
                *reads -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn used(&self) -> u64 {
        let named: std::collections::BTreeSet<_> =
            self.names.values().chain(self.quarantine.values()).collect();
        named.into_iter().filter_map(|file| self.files.get(*file)).map(Content::length).sum()
    }

    fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used())
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&mut self, change: Change) {
        change.clone().apply(&mut self.names);
        self.changes.push(change);
    }
}

impl Disk for SimulatedDisk {
    fn path(&self) -> &Path {
        Path::new("simulated")
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock_state();
        state.call().map_err(DiskFault::error)?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if bytes > state.free() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files.push(Content::new(bytes));
        let file = state.files.len() - 1;
        state.change(Change::Added(name.to_owned(), file));
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock_state();
        state.read().map_err(DiskFault::error)?;
        let file = state.find(name)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn list(&self) -> io::Result<Vec<DiskEntry>> {
        let mut state = self.lock_state();
        state.call().map_err(DiskFault::error)?;
        let entry = |(name, file): (&String, &usize)| {
            let bytes = state.files.get(*file).map_or(0, Content::length);
            DiskEntry { name: name.clone(), bytes }
        };
        Ok(state.names.iter().map(entry).collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.call().map_err(DiskFault::error)?;
        state.find(name)?;
        state.change(Change::Removed(name.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock_state();
        state.call().map_err(DiskFault::error)?;
        let file = state.find(from)?;
        state.change(Change::Renamed(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn quarantine(&self, name: &str, kept_as: &str, keep: Keep) -> io::Result<()> {
        let mut state = self.lock_state();
        state.call().map_err(DiskFault::error)?;
        let mut file = state.find(name)?;
        if state.quarantine.contains_key(kept_as) {
            return Ok(());
        }
        if keep == Keep::Copy {
            let bytes = state.bytes(file);
            if bytes.len() as u64 > state.free() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            file = state.add(&bytes);
        }
        state.quarantine.insert(kept_as.to_owned(), file);
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.lock_state();
        state.call().map_err(DiskFault::error)?;
        state.synced_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        let mut state = self.lock_state();
        state.call().map_err(DiskFault::error)?;
        Ok(state.free())
    }

    fn lock(&self) -> io::Result<Option<FolderLock>> {
        let mut state = self.lock_state();
        state.call().map_err(DiskFault::error)?;
        let is_free = !std::mem::replace(&mut state.is_locked, true);
        Ok(is_free.then(|| FolderLock::new(Lock(self.clone()))))
    }
}

/// That somebody has the folder.
#[derive(Debug)]
struct Lock(SimulatedDisk);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.lock_state().is_locked = false;
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

impl SimulatedFile {
    /// A call on this file that was counted, with what is left of the disk.
    fn call<T>(
        &self,
        count: impl FnOnce(&mut State) -> Result<(), DiskFault>,
        done: impl FnOnce(&mut Content, u64) -> io::Result<T>,
        failed: impl FnOnce(&mut Content, &mut Dice),
    ) -> io::Result<T> {
        let mut state = self.disk.lock_state();
        let outcome = count(&mut state);
        let free = if state.capacity == u64::MAX { u64::MAX } else { state.free() };
        let State { files, dice, has_power, .. } = &mut *state;
        let content = files.get_mut(self.file).ok_or(io::ErrorKind::NotFound)?;
        match outcome {
            Ok(()) => done(content, free),
            Err(fault) => {
                if *has_power {
                    failed(content, dice);
                }
                Err(fault.error())
            }
        }
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let end = offset.saturating_add(buffer.len() as u64);
        let count = |state: &mut State| match state.broken_from {
            Some(broken) if end > broken => state.call().and(Err(DiskFault::Broken)),
            _ => state.read(),
        };
        self.call(count, |content, _| Ok(content.read(buffer, offset)), |_, _| {})
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let write = |content: &mut Content, free: u64| {
            let end = offset + bytes.len() as u64;
            if end.saturating_sub(content.length()) > free {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.write(bytes, offset);
            Ok(())
        };
        self.call(State::call, write, |content, dice| {
            let part = bytes.get(..dice.below(bytes.len())).unwrap_or_default();
            let part = part.get(..part.len().min(room(content, offset))).unwrap_or_default();
            content.write(part, offset);
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let sync = |content: &mut Content, _| {
            content.sync();
            Ok(())
        };
        self.call(State::call, sync, Content::fail_sync)
    }

    fn length(&self) -> io::Result<u64> {
        self.call(State::call, |content, _| Ok(content.length()), |_, _| {})
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        let set = |content: &mut Content, free: u64| {
            if bytes.saturating_sub(content.length()) > free {
                return Err(io::ErrorKind::StorageFull.into());
            }
            content.set_length(bytes);
            Ok(())
        };
        self.call(State::call, set, |_, _| {})
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.set_length(bytes)
    }
}

/// What can be written without making the file longer.
fn room(content: &Content, offset: u64) -> usize {
    usize::try_from(content.length().saturating_sub(offset)).unwrap_or(usize::MAX)
}
