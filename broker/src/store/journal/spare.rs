//! The next segment's file, allocated before it is needed: a new one, or one that was given up.
//!
//! A sync of a file whose blocks were all written before is a third faster: the file system has nothing
//! to note down.

use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::core::{Core, StepError};
use super::space::Blocked;
use super::writer::is_full;
use crate::store::disk::DiskFile;
use crate::store::error::Failure;
use crate::store::format::header::{HEADER_BYTES, spare_header};
use crate::store::names;

/// Files that were given up and are kept to be used again.
const GIVEN_UP_MAX: usize = 4;

/// The file of the segment that is written next, and files for those after it.
#[derive(Debug)]
pub(super) struct Spare {
    /// The first segment of this run. What was there before stays as it is until it is removed: it may
    /// be in quarantine, or in a copy that somebody has made by links.
    first: u32,
    /// Its number.
    next: u32,
    file: Option<SegmentFile>,
    given_up: Vec<GivenUp>,
}

/// A file to write a segment to.
#[derive(Debug, Clone)]
pub(super) struct SegmentFile {
    pub(super) file: Arc<dyn DiskFile>,
    /// Whether it was another segment before.
    pub(super) is_reused: bool,
}

/// The file of a segment of which nothing is needed.
#[derive(Debug)]
pub(super) struct GivenUp {
    name: String,
    file: Arc<dyn DiskFile>,
}

impl Spare {
    pub(super) fn new(next: u32) -> Self {
        Self { first: next, next, file: None, given_up: Vec::new() }
    }
}

impl Core {
    /// The file for this segment: the one that is there already, or a new one. What does not fit
    /// lengthens it.
    pub(super) fn allocate(&self, number: u32, size: u64) -> Result<SegmentFile, StepError> {
        let mut spare = self.lock_spare();
        let file = match spare.file.take().filter(|_| spare.next == number) {
            Some(file) => {
                if size > u64::from(self.settings.segment_bytes)
                    && let Err(error) = file.file.allocate(size)
                {
                    spare.file = Some(file);
                    return Err(self.allocation_error(number, CreateError::Create(error)));
                }
                file
            }
            None => {
                let made = self.make_segment(&mut spare, number, size);
                made.map_err(|error| self.allocation_error(number, error))?
            }
        };
        spare.next = number + 1;
        drop(spare);
        self.files.keep(number, &file.file);
        Ok(file)
    }

    /// Allocates the next segment's file if there is none. A disk that is full is no error.
    pub(super) fn prepare_spare(&self) -> Result<(), StepError> {
        let mut spare = self.lock_spare();
        if spare.file.is_none() {
            let next = spare.next;
            let size = u64::from(self.settings.segment_bytes);
            let made = self.make_segment(&mut spare, next, size);
            match made.map_err(|error| self.allocation_error(next, error)) {
                Ok(file) => spare.file = Some(file),
                Err(StepError::NoRoom) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        drop(spare);
        if self.space.set_unallocated(false) {
            self.has_news();
        }
        Ok(())
    }

    /// Removes the files that were allocated and are not needed.
    pub(super) fn remove_spare(&self) -> io::Result<()> {
        self.remove_given_up();
        let mut spare = self.lock_spare();
        match spare.file.take() {
            Some(_) => self.disk.remove(&names::segment(spare.next)),
            None => Ok(()),
        }
    }

    /// Takes the name of a segment away of which nothing is needed. Its file is kept for a later one
    /// if that is of use; [`Self::keep_given_up`] has to come once nobody reads it any more.
    pub(super) fn give_up(&self, number: u32) -> io::Result<Option<GivenUp>> {
        let name = names::segment(number);
        let is_kept = {
            let spare = self.lock_spare();
            number >= spare.first && spare.given_up.len() < GIVEN_UP_MAX
        };
        let is_in_quarantine = self.lock().liveness.is_quarantined(number);
        if !is_kept || is_in_quarantine || self.space.blocked() == Some(Blocked::DiskLow) {
            return self.disk.remove(&name).map(|()| None);
        }
        let size = u64::from(self.settings.segment_bytes);
        // What can't be opened now can be removed all the same.
        let file = self.files.segment(number).ok();
        let usable = file.filter(|file| file.length().is_ok_and(|length| length <= size));
        let Some(file) = usable else { return self.disk.remove(&name).map(|()| None) };
        let given_up = GivenUp { name: names::given_up(number), file };
        self.disk.rename(&name, &given_up.name)?;
        Ok(Some(given_up))
    }

    /// This is written over from now on, unless a reader has found damage in it meanwhile, and it is in
    /// quarantine.
    pub(super) fn keep_given_up(&self, file: GivenUp, is_in_quarantine: bool) {
        match is_in_quarantine {
            true => self.remove_file(&file.name),
            false => self.lock_spare().given_up.push(file),
        }
    }

    /// What can't be removed is so at the next start.
    fn remove_file(&self, name: &str) {
        if let Err(error) = self.disk.remove(name) {
            tracing::debug!(name, %error, "a file stays that is not needed");
        }
    }

    /// Removes what is kept for later: there is little room.
    pub(super) fn remove_given_up(&self) {
        let given_up = std::mem::take(&mut self.lock_spare().given_up);
        for GivenUp { name, .. } in given_up {
            self.remove_file(&name);
        }
    }

    fn make_segment(
        &self,
        spare: &mut Spare,
        number: u32,
        size: u64,
    ) -> Result<SegmentFile, CreateError> {
        let is_usual = size == u64::from(self.settings.segment_bytes);
        let given_up = is_usual.then(|| spare.given_up.pop()).flatten();
        let reused = given_up.and_then(|given_up| self.reuse(&given_up, number, size));
        let file = match reused {
            Some(file) => SegmentFile { file, is_reused: true },
            None => {
                let created = self.disk.create(&names::segment(number), size);
                SegmentFile { file: created.map_err(CreateError::Create)?, is_reused: false }
            }
        };
        // Nothing in the file is safe while its name is not.
        self.disk.sync_folder().map_err(CreateError::Sync)?;
        Ok(file)
    }

    /// Makes a file of the next segment that was given up. Before it has the new name it says that
    /// there is nothing in it; neither can its first frame be taken for one of the new segment.
    fn reuse(&self, given_up: &GivenUp, number: u32, size: u64) -> Option<Arc<dyn DiskFile>> {
        let GivenUp { name, file } = given_up;
        let mut start = spare_header();
        start.resize(2 * HEADER_BYTES, 0);
        let prepared = file
            .write_at(&start, 0)
            .and_then(|()| file.allocate(size))
            .and_then(|()| file.sync_data())
            .and_then(|()| self.disk.rename(name, &names::segment(number)));
        match prepared {
            Ok(()) => Some(Arc::clone(file)),
            Err(error) => {
                tracing::debug!(name, %error, "a file can't be used again, and a new one is made");
                let _ = self.disk.remove(name);
                None
            }
        }
    }

    fn lock_spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allocation_error(&self, number: u32, error: CreateError) -> StepError {
        match error {
            CreateError::Create(error) if is_full(&error) => {
                self.out_of_room();
                StepError::NoRoom
            }
            CreateError::Create(error) => self.step_error("it can't be created", number, &error),
            CreateError::Sync(error) => StepError::Failed(self.fail_folder(&error)),
        }
    }

    /// The folder can't be synced.
    pub(super) fn fail_folder(&self, error: &io::Error) -> Failure {
        self.fail(format!("'{}': it can't be synced: {error}", self.disk.path().display()))
    }

    /// There is no room for more segments.
    pub(super) fn out_of_room(&self) {
        if self.space.set_unallocated(true) {
            self.has_news();
        }
    }
}

enum CreateError {
    Create(io::Error),
    Sync(io::Error),
}
