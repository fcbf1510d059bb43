//! The segments' files that are open to be read.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::disk::{Disk, DiskFile};
use crate::store::names;

/// Files that are kept open; a journal may have thousands of segments.
const OPEN_MAX: usize = 16;

/// The files that were read last.
#[derive(Debug)]
pub(super) struct OpenFiles {
    disk: Arc<dyn Disk>,
    /// By segment, those that were used last at the end.
    open: Mutex<VecDeque<(u32, Arc<dyn DiskFile>)>>,
    /// Segments that the disk did not give when they were read last.
    unread: Mutex<BTreeSet<u32>>,
}

impl OpenFiles {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: Mutex::default(), unread: Mutex::default() }
    }

    /// The file of this segment.
    ///
    /// # Errors
    ///
    /// It can't be opened; it may be gone.
    pub(super) fn segment(&self, number: u32) -> io::Result<Arc<dyn DiskFile>> {
        {
            let mut open = self.lock();
            if let Some(at) = open.iter().rposition(|(other, _)| *other == number)
                && let Some((number, file)) = open.remove(at)
            {
                open.push_back((number, Arc::clone(&file)));
                return Ok(file);
            }
        }
        let file = self.disk.open(&names::segment(number))?;
        self.keep(number, &file);
        Ok(file)
    }

    /// A file that was opened otherwise.
    pub(super) fn keep(&self, number: u32, file: &Arc<dyn DiskFile>) {
        let mut open = self.lock();
        if open.len() >= OPEN_MAX {
            open.pop_front();
        }
        open.push_back((number, Arc::clone(file)));
    }

    /// The disk does not give what is in this segment; whether that is news. Its file is opened again.
    pub(super) fn is_not_read(&self, number: u32) -> bool {
        self.forget_open(number);
        self.lock_unread().insert(number)
    }

    /// What is in this segment was read; whether that is news.
    pub(super) fn is_read_again(&self, number: u32) -> bool {
        self.lock_unread().remove(&number)
    }

    /// A file that is removed.
    pub(super) fn forget(&self, number: u32) {
        self.forget_open(number);
        self.lock_unread().remove(&number);
    }

    fn forget_open(&self, number: u32) {
        self.lock().retain(|(other, _)| *other != number);
    }

    fn lock_unread(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(u32, Arc<dyn DiskFile>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
