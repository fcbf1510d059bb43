//! A disk on which something happens at every call, as other threads would have it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::disk::simulated::SimulatedDisk;
use crate::store::disk::{Disk, DiskEntry, DiskFile, FolderLock, Keep};

/// What happens before and after a call.
pub(super) type Hook = Box<dyn FnMut() + Send>;

/// A simulated disk with a hook.
#[derive(Clone)]
pub(super) struct HookedDisk {
    pub(super) disk: SimulatedDisk,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl std::fmt::Debug for HookedDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookedDisk")
    }
}

impl HookedDisk {
    pub(super) fn new(disk: SimulatedDisk) -> Self {
        Self { disk, hook: Arc::default() }
    }

    pub(super) fn set_hook(&self, hook: Option<Hook>) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = hook;
    }

    /// Runs the hook, unless this is a call of the hook itself.
    fn run_hook(&self) {
        let taken = match self.hook.try_lock() {
            Ok(mut hook) => hook.take(),
            Err(_) => None,
        };
        if let Some(mut hook) = taken {
            hook();
            let mut place = self.hook.lock().unwrap_or_else(PoisonError::into_inner);
            place.get_or_insert(hook);
        }
    }

    fn call<T: std::fmt::Debug>(
        &self,
        what: impl FnOnce() -> String,
        call: impl FnOnce(&SimulatedDisk) -> io::Result<T>,
    ) -> io::Result<T> {
        self.run_hook();
        let result = call(&self.disk);
        super::tell(|| {
            let failed = result.as_ref().err().map_or(String::new(), ToString::to_string);
            format!("    {} {} {failed}", self.disk.calls(), what())
        });
        self.run_hook();
        result
    }

    fn file(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(HookedFile { disk: self.clone(), name: name.to_owned(), file })
    }
}

impl Disk for HookedDisk {
    fn path(&self) -> &Path {
        self.disk.path()
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.call(|| format!("create {name}"), |disk| disk.create(name, bytes))
            .map(|file| self.file(name, file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.call(|| format!("open {name}"), |disk| disk.open(name))
            .map(|file| self.file(name, file))
    }

    fn list(&self) -> io::Result<Vec<DiskEntry>> {
        self.call(|| "list".to_owned(), |disk| disk.list())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(|| format!("remove {name}"), |disk| disk.remove(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(|| format!("rename {from} {to}"), |disk| disk.rename(from, to))
    }

    fn quarantine(&self, name: &str, kept_as: &str, keep: Keep) -> io::Result<()> {
        self.call(|| format!("quarantine {name}"), |disk| disk.quarantine(name, kept_as, keep))
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.call(|| "sync folder".to_owned(), |disk| disk.sync_folder())
    }

    fn free_space(&self) -> io::Result<u64> {
        self.call(|| "free space".to_owned(), |disk| disk.free_space())
    }

    fn lock(&self) -> io::Result<Option<FolderLock>> {
        self.disk.lock()
    }
}

#[derive(Debug)]
struct HookedFile {
    disk: HookedDisk,
    name: String,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for HookedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = buffer.len();
        self.disk.call(
            || format!("read {} {length} bytes at {offset}", self.name),
            |_| self.file.read_at(buffer, offset),
        )
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let length = bytes.len();
        self.disk.call(
            || format!("write {} {length} bytes at {offset}", self.name),
            |_| self.file.write_at(bytes, offset),
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.call(|| format!("sync {}", self.name), |_| self.file.sync_data())
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        self.disk.call(|| format!("allocate {} {bytes}", self.name), |_| self.file.allocate(bytes))
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.disk
            .call(|| format!("set length {} {bytes}", self.name), |_| self.file.set_length(bytes))
    }
}
